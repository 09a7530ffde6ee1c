import Tensors

/// Some of a matrix's outputs or inputs: row i is output `rows[i]`, column j input `columns[j]`; nil for all in order.
public struct MatrixPart: Sendable, Hashable {
    public let rows: [Int]?
    public let columns: [Int]?

    public init(rows: [Int]? = nil, columns: [Int]? = nil) {
        self.rows = rows
        self.columns = columns
    }
}

extension Dense {
    /// As `prepared`, of parts of the matrix: the bits are those of products with these rows and columns cut out.
    /// Cost: a pass over the whole matrix, and the parts. Nothing that is decoded is kept.
    /// - Precondition: every index is within `shape`.
    public func prepared(parts: [MatrixPart], _ options: PreparationOptions) -> [any PreparedProduct] {
        weight.withPassingView { whole in
            parts.map { part in
                let (height, width) = (part.rows?.count ?? shape.rows, part.columns?.count ?? shape.columns)
                let packed = PackedMatrix(rows: height, columns: width, precision: weight.precision, options) { _, body in
                    Matrix(rows: height, columns: width) { row, column in
                        whole.row(part.rows?[row] ?? row)[part.columns?[column] ?? column]
                    }.withView(body)
                }
                return PreparedChain(packed, shape: MatrixShape(rows: height, columns: width))
            }
        }
    }
}
