import Tensors

/// Block-diagonal after a reordering of rows and columns: W[rowOrder[i], columnOrder[j]] = B[i, j].
///
/// rows columns / g numbers and multiply-adds, and an index of 2 or 4 bytes for every row and column.
public struct PermutedBlockDiagonal: StructuredMatrix {
    public static let family = Family(
        name: "permuted-block-diagonal", summary: "blocks along the diagonal after reordering rows and columns",
        source: "textbook")

    /// [g, rows / g, columns / g].
    public let blocks: Factor
    public let rowOrder: Permutation
    public let columnOrder: Permutation

    /// - Precondition: three dimensions, and orders of as many rows and columns.
    public init(blocks: Factor, rowOrder: Permutation, columnOrder: Permutation) {
        precondition(blocks.shape.count == 3)
        precondition(rowOrder.count == blocks.shape[0] * blocks.shape[1])
        precondition(columnOrder.count == blocks.shape[0] * blocks.shape[2])
        (self.blocks, self.rowOrder, self.columnOrder) = (blocks, rowOrder, columnOrder)
    }

    /// g.
    public var blockCount: Int { blocks.shape[0] }
    public var shape: MatrixShape { MatrixShape(rows: rowOrder.count, columns: columnOrder.count) }
    public var cost: Cost { Self.cost(shape: shape, blocks: blockCount, precision: blocks.precision) }

    public static func cost(shape: MatrixShape, blocks: Int, precision: Precision) -> Cost {
        let count = shape.count / max(1, blocks)
        let indices = Permutation.storedBytes(shape.rows) + Permutation.storedBytes(shape.columns)
        return Cost(
            parameters: count, storedBytes: count * precision.elementType.byteCount + indices, multiplyAdds: count)
    }

    private var inner: BlockDiagonal { BlockDiagonal(blocks: blocks) }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        run(input, from: columnOrder, into: output, to: rowOrder, context: context, inner.apply)
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        run(input, from: rowOrder, into: output, to: columnOrder, context: context, inner.applyTransposed)
    }

    private func run(
        _ input: MatrixView, from source: Permutation, into output: MutableMatrixView, to target: Permutation,
        context: ExecutionContext,
        _ product: @Sendable (MatrixView, MutableMatrixView, ExecutionContext) -> Void
    ) {
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: blocks.count, context: context) { rows, context in
            withScratch(rows: rows.count, columns: source.count) { ordered in
                source.gather(input.rows(rows), into: ordered)
                withScratch(rows: rows.count, columns: target.count) { result in
                    product(ordered.readable, result, context)
                    target.scatter(result.readable, into: output.rows(rows))
                }
            }
        }
    }

    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedChain(
            shape: shape,
            stages: [
                .permutation(columnOrder), .blocks(PackedMatrix(blocks, count: blockCount, options)),
                .permutation(rowOrder.inverse),
            ])
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        let places = rowOrder.inverse.indices
        let ordered = inner.gather(rows: rows.map { places[$0] })
        var result = Matrix(rows: rows.count, columns: shape.columns)
        result.withMutableView { result in ordered.withView { columnOrder.scatter($0, into: result) } }
        return result
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            [
                ("blocks", try blocks.tensor), ("rowOrder", try rowOrder.tensor),
                ("columnOrder", try columnOrder.tensor),
            ]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["blocks": blockCount]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let count = try attributes.divisor("blocks", of: shape.rows, shape.columns)
        try attributes.check(shape)
        blocks = try tensors.factor("blocks", shape: [count, shape.rows / count, shape.columns / count])
        rowOrder = try tensors.permutation("rowOrder", count: shape.rows)
        columnOrder = try tensors.permutation("columnOrder", count: shape.columns)
    }
}
