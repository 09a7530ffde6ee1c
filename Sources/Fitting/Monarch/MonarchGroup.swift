import LinearAlgebra
import Tensors

/// One output group of a Monarch matrix in `Double`: its rows are [L_1 R_1, ..., L_k R_k].
struct MonarchGroup: Sendable {
    /// l x (k r): L_1 ... L_k side by side.
    var left: DoubleMatrix
    /// (k r) x i: R_1 ... R_k stacked.
    var right: DoubleMatrix

    /// Gives each component's column of L and row of R equal norms.
    mutating func rebalance() {
        for component in 0..<right.rows {
            var (leftNorm, rightNorm) = (0.0, 0.0)
            for row in 0..<left.rows { leftNorm += left[row, component] * left[row, component] }
            for column in 0..<right.columns {
                rightNorm += right[component, column] * right[component, column]
            }
            guard leftNorm > 0, rightNorm > 0, leftNorm.isFinite, rightNorm.isFinite else { continue }
            let scale = (rightNorm / leftNorm).squareRoot().squareRoot()
            for row in 0..<left.rows { left[row, component] *= scale }
            for column in 0..<right.columns { right[component, column] /= scale }
        }
    }
}

/// The best rank-r approximation of every block of a group under its own block of G, ignoring the blocks'
/// correlations: the analytic Monarch projection when G is the identity (arXiv 2204.00595).
struct MonarchProjection {
    let blocks: Int
    /// L_b with G_bb = L_b L_b^T; empty under Frobenius.
    private let roots: [DoubleMatrix]

    /// - Throws: `LinearAlgebraError`.
    init(_ gram: Gram?, blocks: Int) throws {
        self.blocks = blocks
        roots =
            try gram.map { gram in
                let size = gram.size / blocks
                return try (0..<blocks).map { block in
                    let range = block * size..<(block + 1) * size
                    return try SymmetricRoot(gram.matrix.block(rows: range, columns: range)).factor
                }
            } ?? []
    }

    /// - Parameter weight: the group's rows, l x n.
    /// - Throws: `LinearAlgebraError`.
    func callAsFunction(_ weight: DoubleMatrix, rank: Int) throws -> MonarchGroup {
        let size = weight.columns / blocks
        var group = MonarchGroup(
            left: DoubleMatrix(rows: weight.rows, columns: blocks * rank),
            right: DoubleMatrix(rows: blocks * rank, columns: size))
        for block in 0..<blocks {
            let piece = weight.block(rows: 0..<weight.rows, columns: block * size..<(block + 1) * size)
            let svd = try SingularValues(roots.isEmpty ? piece : piece.multiplied(by: roots[block]))
            let left = svd.truncated(to: rank).u
            group.left.setBlock(left, row: 0, column: block * rank)
            group.right.setBlock(
                left.multiplied(by: piece, transposeSelf: true), row: block * rank, column: 0)
        }
        group.rebalance()
        return group
    }
}
