import Tensors

/// Two block-diagonal factors of B blocks with a shuffle between and after them, so that every output
/// hears every input: h = first x, hidden feature t B + s goes to component t of block s, and component p of
/// block s of the second product is output p B + s.
///
/// min(rows, columns) hidden features; min(rows, columns) (rows + columns) / B numbers and multiply-adds.
public struct BlockShuffle: DifferentiableMatrix {
    public static let family = Family(
        name: "block-shuffle", summary: "two block-diagonal matrices with a shuffle between them",
        source: "arXiv 2406.16450")

    /// [B, h / B, columns / B] with h = min(rows, columns).
    public let first: Factor
    /// [B, rows / B, h / B].
    public let second: Factor

    /// - Precondition: the shapes are as said, the smaller of rows and columns being h.
    public init(first: Factor, second: Factor) {
        precondition(first.shape.count == 3 && second.shape.count == 3 && first.shape[0] == second.shape[0])
        precondition(
            second.shape[2] == first.shape[1] && first.shape[1] == min(first.shape[2], second.shape[1]))
        self.first = first
        self.second = second
    }

    /// B.
    public var blocks: Int { first.shape[0] }
    public var shape: MatrixShape {
        MatrixShape(rows: blocks * second.shape[1], columns: blocks * first.shape[2])
    }
    public var cost: Cost {
        let count = first.count + second.count
        return Cost(
            parameters: count, storedBytes: first.storedBytes + second.storedBytes, multiplyAdds: count)
    }

    private var grid: LowRankGrid {
        let (blocks, size) = (blocks, first.shape[1])
        return LowRankGrid(
            shape: shape, inputBlocks: blocks, outputGroups: blocks, interleaved: true, right: first,
            left: second
        ) { group, block in
            // Of the hidden features size * block ..< size * (block + 1), those that are `group` modulo B.
            let start = size * block
            let offset = ((group - start) % blocks + blocks) % blocks
            let count = offset < size ? (size - offset + blocks - 1) / blocks : 0
            let component = (start + offset) / blocks
            return .init(leftColumns: component..<component + count, firstRightRow: offset, rightStep: blocks)
        }
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        grid.apply(input, into: output, context: context)
    }
    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        grid.applyTransposed(input, into: output, context: context)
    }
    public func dense() -> Matrix { grid.dense() }
    public func gather(rows: [Int]) -> Matrix { grid.gather(rows: rows) }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws { [("first", try first.tensor), ("second", try second.tensor)] }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["blocks": blocks]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let blocks = try attributes.divisor("blocks", of: shape.rows, shape.columns)
        let size = min(shape.rows, shape.columns) / blocks
        first = try tensors.factor("first", shape: [blocks, size, shape.columns / blocks])
        second = try tensors.factor("second", shape: [blocks, shape.rows / blocks, size])
    }

    public var factors: [Factor] { [first, second] }
    public func replacingFactors(_ values: [[Float]]) -> Self {
        Self(first: first.replacing(values[0]), second: second.replacing(values[1]))
    }
    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        let (first, second) = grid.gradients(gradient)
        return [first, second]
    }
}
