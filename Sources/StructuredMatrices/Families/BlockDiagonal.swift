import Tensors

/// g groups of inputs and outputs that do not talk to each other: rows columns / g numbers and multiply-adds.
public struct BlockDiagonal: DifferentiableMatrix {
    public static let family = Family(
        name: "block-diagonal", summary: "square or rectangular blocks along the diagonal, zero elsewhere",
        source: "textbook")

    /// [g, rows / g, columns / g].
    public let blocks: Factor

    /// - Precondition: three dimensions.
    public init(blocks: Factor) {
        precondition(blocks.shape.count == 3)
        self.blocks = blocks
    }

    /// g.
    public var blockCount: Int { blocks.shape[0] }
    private var blockRows: Int { blocks.shape[1] }
    private var blockColumns: Int { blocks.shape[2] }
    public var shape: MatrixShape {
        MatrixShape(rows: blockCount * blockRows, columns: blockCount * blockColumns)
    }
    public var cost: Cost {
        Cost(
            parameters: blocks.count, storedBytes: blocks.storedBytes,
            multiplyAdds: blocks.count)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        blocks.withView { w in
            DenseProduct.applyBlocks(input, w, count: blockCount, into: output, context: context)
        }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        blocks.withView { w in
            DenseProduct.applyBlocksTransposed(input, w, count: blockCount, into: output, context: context)
        }
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        var result = Matrix(rows: rows.count, columns: shape.columns)
        for (index, row) in rows.enumerated() {
            let start = index * shape.columns + row / blockRows * blockColumns
            result.elements.replaceSubrange(
                start..<start + blockColumns,
                with: blocks.values(row * blockColumns..<(row + 1) * blockColumns))
        }
        return result
    }

    public var tensors: [(name: String, tensor: Tensor)] { get throws { [("blocks", try blocks.tensor)] } }
    public var attributes: FamilyAttributes { FamilyAttributes(["blocks": blockCount]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let count = try attributes.divisor("blocks", of: shape.rows, shape.columns)
        blocks = try tensors.factor("blocks", shape: [count, shape.rows / count, shape.columns / count])
    }

    public var factors: [Factor] { [blocks] }
    public func replacingFactors(_ values: [[Float]]) -> Self { Self(blocks: blocks.replacing(values[0])) }
    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        var values: [Float] = []
        values.reserveCapacity(blocks.count)
        for row in 0..<shape.rows {
            let start = row * shape.columns + row / blockRows * blockColumns
            values += gradient.elements[start..<start + blockColumns]
        }
        return [values]
    }
}
