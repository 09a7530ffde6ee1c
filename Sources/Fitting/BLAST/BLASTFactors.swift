import StructuredMatrices
import Tensors

/// The factors of a BLAST matrix in `Double`, while they are being fitted.
struct BLASTFactors: Sendable {
    let blocks: Int
    /// rows x r: U_1 ... U_b stacked.
    var u: DoubleMatrix
    /// b^2 x r: s_11, s_12, ...
    var s: DoubleMatrix
    /// columns x r: V_1 ... V_b stacked.
    var v: DoubleMatrix

    var rank: Int { u.columns }

    init(blocks: Int, u: DoubleMatrix, s: DoubleMatrix, v: DoubleMatrix) {
        self.blocks = blocks
        self.u = u
        self.s = s
        self.v = v
    }

    /// A low-rank matrix U V as BLAST: every diagonal is 1, plus `noise` times a normal deviate.
    init(
        _ lowRank: (u: DoubleMatrix, v: DoubleMatrix), blocks: Int, noise: Double,
        using generator: inout SeededGenerator
    ) {
        self.blocks = blocks
        u = lowRank.u
        v = lowRank.v.transposed()
        s = DoubleMatrix(rows: blocks * blocks, columns: lowRank.u.columns) { _, _ in
            noise == 0 ? 1 : 1 + noise * generator.nextNormal()
        }
    }

    /// Moves scale between the factors: each component's columns of U and V get equal norms and its diagonals
    /// a mean square of 1. The matrix stays the same.
    mutating func rebalance() {
        for component in 0..<rank {
            let norms = [u, s, v].map { factor in
                var sum = 0.0
                for row in 0..<factor.rows { sum += factor[row, component] * factor[row, component] }
                return sum
            }
            guard norms.allSatisfy({ $0 > 0 && $0.isFinite }) else { continue }
            let (uNorm, vNorm) = (norms[0].squareRoot(), norms[2].squareRoot())
            let diagonal = (norms[1] / Double(s.rows)).squareRoot()
            let shared = (uNorm * vNorm * diagonal).squareRoot()
            for row in 0..<u.rows { u[row, component] *= shared / uNorm }
            for row in 0..<v.rows { v[row, component] *= shared / vNorm }
            for row in 0..<s.rows { s[row, component] /= diagonal }
        }
    }

    /// self + step (self - previous).
    func extrapolated(from previous: Self, step: Double) -> Self {
        var result = self
        Self.extrapolate(&result.u, previous.u, step)
        Self.extrapolate(&result.s, previous.s, step)
        Self.extrapolate(&result.v, previous.v, step)
        return result
    }

    private static func extrapolate(_ target: inout DoubleMatrix, _ previous: DoubleMatrix, _ step: Double) {
        for index in target.elements.indices {
            target.elements[index] += step * (target.elements[index] - previous.elements[index])
        }
    }

    func matrix(precision: Precision) -> BLAST {
        func factor(_ matrix: DoubleMatrix, _ shape: [Int]) -> Factor {
            Factor(matrix.elements.map { Float($0) }, shape: shape, precision: precision)
        }
        return BLAST(
            u: factor(u, [blocks, u.rows / blocks, rank]), s: factor(s, [blocks, blocks, rank]),
            v: factor(v, [blocks, v.rows / blocks, rank]))
    }
}
