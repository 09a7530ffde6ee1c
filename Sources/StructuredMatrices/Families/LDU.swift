import LinearAlgebra
import Tensors

/// W = P L D U Q, rank r: L (rows x r) and U (r x columns) unit triangular above their trapezoids, D diagonal, P and Q
/// orders of rows and columns: W[rowOrder[i], columnOrder[j]] = sum over k of L[i, k] d_k U[k, j].
///
/// r (rows + columns - r) numbers, r fewer for each rank than low-rank has, and an index for every row and column; at
/// full rank as many numbers as dense. r (rows + columns + 1) multiply-adds: the triangles are multiplied in full.
public struct LDU: StructuredMatrix {
    public static let family = Family(
        name: "ldu", summary: "lower trapezoid, diagonal, upper trapezoid with rows and columns reordered",
        source: "LoLDU, arXiv 2410.13618")

    /// The entries of L below the diagonal, row after row.
    public let lower: Factor
    /// [r].
    public let diagonal: Factor
    /// The entries of U above the diagonal, column after column.
    public let upper: Factor
    public let rowOrder: Permutation
    public let columnOrder: Permutation
    /// L (rows x r) and U^T (columns x r).
    private let left: Matrix
    private let right: Matrix

    /// - Precondition: `lower` and `upper` have as many entries as `Self.entries` says. Memory: r (rows + columns) floats
    ///   besides the factors.
    public init(
        lower: Factor, diagonal: Factor, upper: Factor, rowOrder: Permutation, columnOrder: Permutation
    ) {
        let rank = diagonal.count
        precondition(lower.shape == [Self.entries(rowOrder.count, rank: rank)])
        precondition(upper.shape == [Self.entries(columnOrder.count, rank: rank)])
        (self.lower, self.diagonal, self.upper) = (lower, diagonal, upper)
        (self.rowOrder, self.columnOrder) = (rowOrder, columnOrder)
        left = Self.trapezoid(lower.values, rows: rowOrder.count, rank: rank)
        right = Self.trapezoid(upper.values, rows: columnOrder.count, rank: rank)
    }

    /// Entries below the diagonal of a trapezoid of `count` rows.
    public static func entries(_ count: Int, rank: Int) -> Int { rank * count - rank * (rank + 1) / 2 }

    /// Row i is its first min(i, r) entries, a one, and zeros.
    private static func trapezoid(_ entries: [Float], rows: Int, rank: Int) -> Matrix {
        var result = Matrix(rows: rows, columns: rank)
        var next = 0
        for row in 0..<rows {
            for column in 0..<min(row, rank) {
                result[row, column] = entries[next]
                next += 1
            }
            if row < rank { result[row, row] = 1 }
        }
        return result
    }

    public var rank: Int { diagonal.count }
    public var shape: MatrixShape { MatrixShape(rows: rowOrder.count, columns: columnOrder.count) }
    public var cost: Cost {
        var cost = Self.cost(shape: shape, rank: rank, precision: .f32)
        cost.storedBytes = [lower, diagonal, upper].reduce(
            Permutation.storedBytes(shape.rows) + Permutation.storedBytes(shape.columns)
        ) { $0 + $1.storedBytes }
        return cost
    }

    public static func cost(shape: MatrixShape, rank: Int, precision: Precision) -> Cost {
        let count = rank * (shape.rows + shape.columns - rank)
        let indices = Permutation.storedBytes(shape.rows) + Permutation.storedBytes(shape.columns)
        return Cost(
            parameters: count, storedBytes: count * precision.elementType.byteCount + indices,
            multiplyAdds: rank * (shape.rows + shape.columns + 1))
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        run(input, columnOrder, right, into: output, rowOrder, left, context: context)
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        run(input, rowOrder, left, into: output, columnOrder, right, context: context)
    }

    private func run(
        _ input: MatrixView, _ source: Permutation, _ first: Matrix, into output: MutableMatrixView,
        _ target: Permutation, _ second: Matrix, context: ExecutionContext
    ) {
        let scale = diagonal.values
        first.withView { first in
            second.withView { second in
                DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) {
                    rows, context in
                    withScratch(rows: rows.count, columns: scale.count) { hidden in
                        withScratch(rows: rows.count, columns: source.count) { ordered in
                            source.gather(input.rows(rows), into: ordered)
                            DenseProduct.applyTransposed(ordered.readable, first, into: hidden, context: context)
                        }
                        for row in 0..<hidden.rows {
                            let hidden = hidden.row(row)
                            for index in scale.indices { hidden[index] *= scale[index] }
                        }
                        withScratch(rows: rows.count, columns: target.count) { result in
                            DenseProduct.apply(hidden.readable, second, into: result, context: context)
                            target.scatter(result.readable, into: output.rows(rows))
                        }
                    }
                }
            }
        }
    }

    /// Low-rank with the diagonal in the left factor.
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        let scale = diagonal.values
        let scaled = Matrix(rows: left.rows, columns: left.columns) { left[$0, $1] * scale[$1] }
        return PreparedChain(
            shape: shape,
            stages: [
                .permutation(columnOrder), .product(PackedMatrix(Factor(right.transposed()), options)),
                .product(PackedMatrix(Factor(scaled), options)), .permutation(rowOrder.inverse),
            ])
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        let (places, scale) = (rowOrder.inverse.indices, diagonal.values)
        let chosen = Matrix(rows: rows.count, columns: rank) { left[places[rows[$0]], $1] * scale[$1] }
        var ordered = Matrix(rows: rows.count, columns: shape.columns)
        ordered.withMutableView { ordered in
            chosen.withView { chosen in
                right.withView { DenseProduct.apply(chosen, $0, into: ordered, context: .serial) }
            }
        }
        var result = Matrix(rows: rows.count, columns: shape.columns)
        result.withMutableView { result in ordered.withView { columnOrder.scatter($0, into: result) } }
        return result
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            [
                ("lower", try lower.tensor), ("diagonal", try diagonal.tensor), ("upper", try upper.tensor),
                ("rowOrder", try rowOrder.tensor), ("columnOrder", try columnOrder.tensor),
            ]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["rank": rank]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        try attributes.check(shape)
        let rank = try attributes.integer("rank", in: 1...max(1, min(shape.rows, shape.columns)))
        self.init(
            lower: try tensors.factor("lower", shape: [Self.entries(shape.rows, rank: rank)]),
            diagonal: try tensors.factor("diagonal", shape: [rank]),
            upper: try tensors.factor("upper", shape: [Self.entries(shape.columns, rank: rank)]),
            rowOrder: try tensors.permutation("rowOrder", count: shape.rows),
            columnOrder: try tensors.permutation("columnOrder", count: shape.columns))
    }
}
