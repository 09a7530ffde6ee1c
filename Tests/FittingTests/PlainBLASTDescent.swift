import LinearAlgebra
import StructuredMatrices
import Tensors

/// Alternating gradient descent on a BLAST matrix's factors without preconditioning, every factor's step the largest
/// that cannot raise the error (one over the largest eigenvalue of its normal matrix): the baseline of the paper.
struct PlainBLASTDescent {
    private(set) var matrix: BLAST

    init(blocks: Int, rank: Int, rows: Int, columns: Int, seed: UInt64 = 1) {
        func factor(_ shape: [Int], _ scale: Float, _ seed: UInt64) -> Factor {
            let values = Instances.random(shape[0] * shape[1], shape[2], seed: seed).elements
            return Factor(values.map { scale * $0 }, shape: shape)
        }
        // Not as small as the authors' start, at which plain descent would need long to leave the saddle at zero.
        matrix = BLAST(
            u: factor([blocks, rows / blocks, rank], 0.1, seed), s: factor([blocks, blocks, rank], 1, seed + 1),
            v: factor([blocks, columns / blocks, rank], 0.1, seed + 2))
    }

    /// One step of U, of V and of S.
    mutating func iterate(_ weight: Matrix) {
        for factor in [0, 2, 1] {
            let gradient = matrix.factorGradients(matrix.dense() - weight)[factor]
            let step = Float(1 / curvature(of: factor))
            var values = matrix.factors.map(\.values)
            for index in gradient.indices { values[factor][index] -= step * gradient[index] }
            matrix = matrix.replacingFactors(values)
        }
    }

    /// The largest eigenvalue of a factor's normal matrices, one r x r matrix for each of its blocks.
    private func curvature(of factor: Int) -> Double {
        let (blocks, rank) = (matrix.blocks, matrix.rank)
        func gram(_ factor: Factor, _ block: Int) -> DoubleMatrix {
            let rows = factor.shape[1]
            return factor.matrix.block(rows: block * rows..<(block + 1) * rows, columns: 0..<rank)
                .converted(to: Double.self).gramian()
        }
        func diagonal(_ i: Int, _ j: Int, _ component: Int) -> Double {
            Double(matrix.s.values[(i * blocks + j) * rank + component])
        }
        var largest = 1e-12
        for first in 0..<blocks {
            var sum = DoubleMatrix(rows: rank, columns: rank)
            for second in 0..<blocks {
                let (i, j) = factor == 2 ? (second, first) : (first, second)
                let (left, right) = (gram(matrix.u, i), gram(matrix.v, j))
                let term = DoubleMatrix(rows: rank, columns: rank) { row, column in
                    switch factor {
                    case 0: diagonal(i, j, row) * right[row, column] * diagonal(i, j, column)
                    case 2: diagonal(i, j, row) * left[row, column] * diagonal(i, j, column)
                    default: left[row, column] * right[row, column]
                    }
                }
                if factor == 1 { largest = max(largest, Self.largestEigenvalue(term)) } else { sum = sum + term }
            }
            if factor != 1 { largest = max(largest, Self.largestEigenvalue(sum)) }
        }
        return largest
    }

    private static func largestEigenvalue(_ matrix: DoubleMatrix) -> Double {
        (try? SymmetricEigen(matrix))?.values.last ?? .infinity
    }
}
