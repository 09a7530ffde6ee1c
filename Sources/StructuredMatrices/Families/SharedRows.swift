import Tensors

/// Rows shared: row i of W is row `rows[i]` of a smaller table of any family, so that rows that are alike are stored once
/// (clusters of rows as in GraphHash, or hashed ones as in Unified Embedding). 2 or 4 bytes for every row; multiply-adds those
/// of the table.
public struct SharedRows: ComposedMatrix {
    public static let family = Family(
        name: "shared-rows", summary: "rows that name a row of a smaller table",
        source: "GraphHash, arXiv 2412.17245; Unified Embedding, arXiv 2305.12102")

    public let parts: [any StructuredMatrix]
    /// For every row, the table's.
    public let rows: [Int]

    private var table: any StructuredMatrix { parts[0] }

    /// - Throws: `StructuredMatrixError.invalidSize` for a row that the table does not have.
    public init(_ table: any StructuredMatrix, rows: [Int]) throws {
        let shape = MatrixShape(rows: rows.count, columns: table.shape.columns)
        if let row = rows.first(where: { $0 < 0 || $0 >= table.shape.rows }) {
            throw Self.invalid(shape, "a \(table.shape) table has no row \(row)")
        }
        try Self.checkNesting([table], shape)
        parts = [table]
        self.rows = rows
    }

    public var shape: MatrixShape { MatrixShape(rows: rows.count, columns: table.shape.columns) }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) { batch, context in
            let output = output.rows(batch)
            withScratch(rows: batch.count, columns: table.shape.rows) { products in
                table.apply(input.rows(batch), into: products, context: context)
                for item in 0..<batch.count {
                    let (source, target) = (products.row(item), output.row(item))
                    for (row, shared) in rows.enumerated() { target[row] = source[shared] }
                }
            }
        }
    }

    public func applyTransposed(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) { batch, context in
            let input = input.rows(batch)
            withScratch(rows: batch.count, columns: table.shape.rows) { sums in
                for item in 0..<batch.count {
                    let (source, target) = (input.row(item), sums.row(item))
                    target.update(repeating: 0, count: sums.columns)
                    for (row, shared) in rows.enumerated() { target[shared] += source[row] }
                }
                table.applyTransposed(sums.readable, into: output.rows(batch), context: context)
            }
        }
    }

    public func dense() -> Matrix { gather(rows: Array(rows.indices)) }
    public func gather(rows wanted: [Int]) -> Matrix { table.gather(rows: wanted.map { rows[$0] }) }

    public static func storedBytes(rows: Int, table: Int) -> Int { rows * Permutation.elementType(table).byteCount }

    public var ownCost: Cost {
        Cost(parameters: 0, storedBytes: Self.storedBytes(rows: rows.count, table: table.shape.rows), multiplyAdds: 0)
    }
    public var ownTensors: [(name: String, tensor: Tensor)] {
        get throws { [("rows", try Tensor(indices: rows, below: table.shape.rows))] }
    }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        parts = try attributes.readParts(of: Self.family, shape: shape, count: 1...1, tensors: tensors) {
            $0[0].columns == shape.columns && $0[0].rows > 0 ? nil : "the table is \($0[0])"
        }
        rows = try tensors.indices("rows", count: shape.rows, below: parts[0].shape.rows)
    }
}
