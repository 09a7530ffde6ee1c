import LinearAlgebra
import Tensors

/// b x b blocks, W_ij = U_i diag(s_ij) V_j^T: left bases shared along block rows, right bases along block
/// columns, one diagonal per block. r (rows + columns + b^2) numbers and multiply-adds.
public struct BLAST: DifferentiableMatrix {
    public static let family = Family(
        name: "blast", summary: "blocks with shared bases and a diagonal each, W_ij = U_i diag(s_ij) V_j^T",
        source: "arXiv 2410.21262")

    /// [b, rows / b, r].
    public let u: Factor
    /// [b, b, r]: output block, input block, component.
    public let s: Factor
    /// [b, columns / b, r].
    public let v: Factor

    /// - Precondition: the shapes agree in b and r.
    public init(u: Factor, s: Factor, v: Factor) {
        precondition(u.shape.count == 3 && s.shape.count == 3 && v.shape.count == 3)
        precondition(s.shape[0] == u.shape[0] && s.shape[1] == u.shape[0] && v.shape[0] == u.shape[0])
        precondition(s.shape[2] == u.shape[2] && v.shape[2] == u.shape[2])
        self.u = u
        self.s = s
        self.v = v
    }

    /// b.
    public var blocks: Int { u.shape[0] }
    /// r.
    public var rank: Int { u.shape[2] }
    private var blockRows: Int { u.shape[1] }
    private var blockColumns: Int { v.shape[1] }
    public var shape: MatrixShape { MatrixShape(rows: blocks * blockRows, columns: blocks * blockColumns) }
    public var cost: Cost {
        let count = u.count + s.count + v.count
        return Cost(
            parameters: count, storedBytes: u.storedBytes + s.storedBytes + v.storedBytes, multiplyAdds: count
        )
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        passThrough(input, from: v, to: u, transposed: false, into: output, context: context)
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        passThrough(input, from: u, to: v, transposed: true, into: output, context: context)
    }

    /// z_j = x_j From_j, w_i = sum over j of s_ij * z_j (s_ji when transposed), y_i = w_i To_i^T.
    private func passThrough(
        _ input: MatrixView, from: Factor, to: Factor, transposed: Bool, into output: MutableMatrixView,
        context: ExecutionContext
    ) {
        from.withView { from in
            to.withView { to in
                s.withView { s in
                    DenseProduct.inPieces(
                        ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context
                    ) {
                        batch, context in
                        let (input, output) = (input.rows(batch), output.rows(batch))
                        withScratch(rows: 2 * batch.count, columns: blocks * rank) { scratch in
                            let (z, mixed) = (
                                scratch.rows(0..<batch.count), scratch.rows(batch.count..<2 * batch.count)
                            )
                            DenseProduct.applyBlocksTransposed(
                                input, from, count: blocks, into: z, context: context)
                            mix(z.readable, s, transposed, into: mixed, context: context)
                            DenseProduct.applyBlocks(
                                mixed.readable, to, count: blocks, into: output, context: context)
                        }
                    }
                }
            }
        }
    }

    /// The middle step, batch x (b r) to batch x (b r).
    private func mix(
        _ z: MatrixView, _ s: MatrixView, _ transposed: Bool, into target: MutableMatrixView,
        context: ExecutionContext
    ) {
        let (blocks, rank) = (blocks, rank)
        // Eight rows of z stay in the first-level cache while all the diagonals pass by; a smaller batch
        // is cut by output blocks instead. The kernel's bits do not depend on how it is cut.
        let rowPiece = 8
        let (rowPieces, blockPieces) =
            z.rows > rowPiece ? ((z.rows + rowPiece - 1) / rowPiece, 1) : (1, blocks)
        context.parallelFor(rowPieces * blockPieces) { piece in
            let rows = rowPieces == 1 ? 0..<z.rows : piece * rowPiece..<min(z.rows, (piece + 1) * rowPiece)
            let outputs = blockPieces == 1 ? 0..<blocks : piece..<piece + 1
            for output in outputs {
                Kernels.best.diagonalProduct(
                    z.row(rows.lowerBound), z.rowStride,
                    s.base + (transposed ? output : output * blocks) * rank,
                    transposed ? blocks * rank : rank, target.row(rows.lowerBound) + output * rank,
                    target.rowStride,
                    rows.count, blocks, rank)
            }
        }
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        // Row p of block i is [u_p * s_i1, ..., u_p * s_ib], each part times its V_j^T.
        let (left, diagonals) = (u.values, s.values)
        let scaled = Matrix(rows: rows.count, columns: blocks * rank) { index, position in
            left[rows[index] * rank + position % rank]
                * diagonals[rows[index] / blockRows * blocks * rank + position]
        }
        var result = Matrix(rows: rows.count, columns: shape.columns)
        result.withMutableView { result in
            scaled.withView { scaled in
                v.withView {
                    DenseProduct.applyBlocks(scaled, $0, count: blocks, into: result, context: .serial)
                }
            }
        }
        return result
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws { [("u", try u.tensor), ("s", try s.tensor), ("v", try v.tensor)] }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["blocks": blocks, "rank": rank]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let blocks = try attributes.divisor("blocks", of: shape.rows, shape.columns)
        let rank = try attributes.integer("rank")
        u = try tensors.factor("u", shape: [blocks, shape.rows / blocks, rank])
        s = try tensors.factor("s", shape: [blocks, blocks, rank])
        v = try tensors.factor("v", shape: [blocks, shape.columns / blocks, rank])
    }

    public var factors: [Factor] { [u, s, v] }
    public func replacingFactors(_ values: [[Float]]) -> Self {
        Self(u: u.replacing(values[0]), s: s.replacing(values[1]), v: v.replacing(values[2]))
    }

    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        var uGradient = [Float](repeating: 0, count: u.count)
        var sGradient = [Float](repeating: 0, count: s.count)
        var vGradient = Matrix(rows: shape.columns, columns: rank)
        // dU_i = sum_j (D_ij V_j) * s_ij, ds_ij = column sums of U_i * (D_ij V_j), dV_j = sum_i D_ij^T (U_i * s_ij).
        let (left, diagonals) = (u.values, s.values)
        var right = Matrix(rows: blockRows, columns: rank)
        var scaled = right
        for i in 0..<blocks {
            for j in 0..<blocks {
                gradient.withView { gradient in
                    let piece = gradient.stacked(i, rows: blockRows).sideBySide(j, columns: blockColumns)
                    v.withView { v in
                        right.withMutableView {
                            LinearAlgebra.multiply(piece, v.stacked(j, rows: blockColumns), into: $0)
                        }
                    }
                    for row in 0..<blockRows {
                        for component in 0..<rank {
                            let diagonal = (i * blocks + j) * rank + component
                            let place = (i * blockRows + row) * rank + component
                            let product = right.elements[row * rank + component]
                            uGradient[place] += product * diagonals[diagonal]
                            sGradient[diagonal] += product * left[place]
                            scaled.elements[row * rank + component] = left[place] * diagonals[diagonal]
                        }
                    }
                    vGradient.withMutableView { vGradient in
                        scaled.withView { scaled in
                            LinearAlgebra.multiply(
                                piece, transposeA: true, scaled, beta: 1,
                                into: vGradient.stacked(j, rows: blockColumns))
                        }
                    }
                }
            }
        }
        return [uGradient, sGradient, vGradient.elements]
    }
}
