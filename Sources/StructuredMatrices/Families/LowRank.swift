import LinearAlgebra
import Tensors

/// W = U V with U rows x r and V r x columns: r (rows + columns) numbers and multiply-adds.
public struct LowRank: DifferentiableMatrix {
    public static let family = Family(
        name: "low-rank", summary: "product of a tall and a wide matrix, W = U V",
        source: "Eckart and Young 1936")

    /// rows x r.
    public let u: Factor
    /// r x columns.
    public let v: Factor

    /// - Precondition: U's columns are V's rows.
    public init(u: Factor, v: Factor) {
        precondition(u.shape.count == 2 && v.shape.count == 2 && u.shape[1] == v.shape[0])
        self.u = u
        self.v = v
    }

    public init(u: Matrix, v: Matrix, precision: Precision = .f32) {
        self.init(u: Factor(u, precision: precision), v: Factor(v, precision: precision))
    }

    public var rank: Int { v.shape[0] }
    public var shape: MatrixShape { MatrixShape(rows: u.shape[0], columns: v.shape[1]) }
    public var cost: Cost {
        let count = u.count + v.count
        return Cost(parameters: count, storedBytes: u.storedBytes + v.storedBytes, multiplyAdds: count)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        withViews { u, v in
            DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) {
                rows, context in
                withScratch(rows: rows.count, columns: rank) { hidden in
                    DenseProduct.apply(input.rows(rows), v, into: hidden, context: context)
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
                withScratch(rows: rows.count, columns: rank) { hidden in
                    DenseProduct.applyTransposed(input.rows(rows), u, into: hidden, context: context)
                    DenseProduct.applyTransposed(
                        hidden.readable, v, into: output.rows(rows), context: context)
                }
            }
        }
    }

    private func withViews(_ body: (_ u: MatrixView, _ v: MatrixView) -> Void) {
        u.withView { u in v.withView { v in body(u, v) } }
    }

    public func dense() -> Matrix { u.matrix.multiplied(by: v.matrix) }
    public func gather(rows: [Int]) -> Matrix {
        let chosen = Dense(u).gather(rows: rows)
        var result = Matrix(rows: rows.count, columns: shape.columns)
        result.withMutableView { result in
            chosen.withView { chosen in
                withViews { DenseProduct.applyTransposed(chosen, $1, into: result, context: .serial) }
            }
        }
        return result
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws { [("u", try u.tensor), ("v", try v.tensor)] }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["rank": rank]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let rank = try attributes.integer("rank")
        u = try tensors.factor("u", shape: [shape.rows, rank])
        v = try tensors.factor("v", shape: [rank, shape.columns])
    }

    public var factors: [Factor] { [u, v] }
    public func replacingFactors(_ values: [[Float]]) -> Self {
        Self(u: u.replacing(values[0]), v: v.replacing(values[1]))
    }
    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        [
            gradient.multiplied(by: v.matrix, transposeOther: true).elements,
            u.matrix.multiplied(by: gradient, transposeSelf: true).elements,
        ]
    }
}
