import LinearAlgebra
import Tensors

/// Low-rank with the identity inside: W = U [I, V] Q, where Q moves r chosen columns to the front. U holds those columns
/// of W, V says how the others are made of them.
///
/// Every matrix of rank r is one: r (rows + columns - r) numbers and multiply-adds, r^2 fewer than U V has, and an index
/// of 2 or 4 bytes for every column.
public struct Interpolative: StructuredMatrix {
    public static let family = Family(
        name: "interpolative", summary: "low-rank with r inputs taken as they are, W = U [I, V] Q",
        source: "Cheng, Gimbutas, Martinsson and Rokhlin 2005")

    /// rows x r.
    public let u: Factor
    /// r x (columns - r).
    public let v: Factor
    /// The columns whose features enter as they are, then the others.
    public let columnOrder: Permutation

    /// - Precondition: V's columns and U's are those of the order.
    public init(u: Factor, v: Factor, columnOrder: Permutation) {
        precondition(u.shape.count == 2 && v.shape == [u.shape[1], columnOrder.count - u.shape[1]])
        (self.u, self.v, self.columnOrder) = (u, v, columnOrder)
    }

    public var rank: Int { u.shape[1] }
    public var shape: MatrixShape { MatrixShape(rows: u.shape[0], columns: columnOrder.count) }
    public var cost: Cost {
        let count = u.count + v.count
        return Cost(
            parameters: count,
            storedBytes: u.storedBytes + v.storedBytes + Permutation.storedBytes(columnOrder.count),
            multiplyAdds: count)
    }

    public static func cost(shape: MatrixShape, rank: Int, precision: Precision) -> Cost {
        let count = rank * (shape.rows + shape.columns - rank)
        return Cost(
            parameters: count,
            storedBytes: count * precision.elementType.byteCount + Permutation.storedBytes(shape.columns),
            multiplyAdds: count)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        withViews { u, v in
            DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) {
                rows, context in
                withScratch(rows: rows.count, columns: shape.columns) { ordered in
                    columnOrder.gather(input.rows(rows), into: ordered)
                    let hidden = ordered.columns(0..<rank)
                    DenseProduct.apply(
                        ordered.readable.columns(rank..<shape.columns), v, into: hidden, accumulating: true,
                        context: context)
                    DenseProduct.apply(hidden.readable, u, into: output.rows(rows), context: context)
                }
            }
        }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        withViews { u, v in
            DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) {
                rows, context in
                withScratch(rows: rows.count, columns: shape.columns) { ordered in
                    let hidden = ordered.columns(0..<rank)
                    DenseProduct.applyTransposed(input.rows(rows), u, into: hidden, context: context)
                    DenseProduct.applyTransposed(
                        hidden.readable, v, into: ordered.columns(rank..<shape.columns), context: context)
                    columnOrder.scatter(ordered.readable, into: output.rows(rows))
                }
            }
        }
    }

    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        let hidden: PreparedStage = v.count > 0 ? .interpolation(PackedMatrix(v, options)) : .permutation(.identity(rank))
        return PreparedChain(
            shape: shape, stages: [.permutation(columnOrder), hidden, .product(PackedMatrix(u, options))])
    }

    private func withViews(_ body: (_ u: MatrixView, _ v: MatrixView) -> Void) {
        u.withView { u in
            v.withView { v in
                // A view of no columns has no rows either; the products below want r of them.
                body(u, v.columns == 0 ? MatrixView(base: v.base, rows: rank, columns: 0) : v)
            }
        }
    }

    public func dense() -> Matrix { expanded(u.matrix) }
    public func gather(rows: [Int]) -> Matrix { expanded(Dense(u).gather(rows: rows)) }

    /// hidden (any x r) times [I, V] Q.
    private func expanded(_ hidden: Matrix) -> Matrix {
        var ordered = Matrix(rows: hidden.rows, columns: shape.columns)
        ordered.setBlock(hidden, row: 0, column: 0)
        if v.count > 0 {
            ordered.withMutableView { ordered in
                hidden.withView { hidden in
                    v.withView {
                        DenseProduct.applyTransposed(
                            hidden, $0, into: ordered.columns(rank..<shape.columns), context: .serial)
                    }
                }
            }
        }
        var result = Matrix(rows: hidden.rows, columns: shape.columns)
        result.withMutableView { result in ordered.withView { columnOrder.scatter($0, into: result) } }
        return result
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            [("u", try u.tensor), ("v", try v.tensor), ("columnOrder", try columnOrder.tensor)]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["rank": rank]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        try attributes.check(shape)
        let rank = try attributes.integer("rank", in: 1...max(1, shape.columns))
        u = try tensors.factor("u", shape: [shape.rows, rank])
        v = try tensors.factor("v", shape: [rank, shape.columns - rank])
        columnOrder = try tensors.permutation("columnOrder", count: shape.columns)
    }
}
