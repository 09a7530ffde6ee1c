import LinearAlgebra
import Tensors

/// An array of several dimensions in `Double`, the last index running fastest.
struct TuckerTensor: Sendable {
    let elements: [Double]
    let sizes: [Int]

    init(_ elements: [Double], sizes: [Int]) { (self.elements, self.sizes) = (elements, sizes) }

    var squaredNorm: Double { elements.reduce(0) { $0 + $1 * $1 } }

    /// Side `side` as rows, all others as columns.
    func unfolded(_ side: Int) -> DoubleMatrix {
        let (before, size, after) = strides(side)
        var result = DoubleMatrix(rows: size, columns: before * after)
        for first in 0..<before {
            for row in 0..<size {
                for last in 0..<after {
                    result.elements[row * before * after + first * after + last] =
                        elements[(first * size + row) * after + last]
                }
            }
        }
        return result
    }

    private static func folded(_ matrix: DoubleMatrix, _ side: Int, sizes: [Int]) -> TuckerTensor {
        let (before, after) = (sizes.prefix(side).reduce(1, *), sizes.dropFirst(side + 1).reduce(1, *))
        var elements = [Double](repeating: 0, count: matrix.count)
        for first in 0..<before {
            for row in 0..<matrix.rows {
                for last in 0..<after {
                    elements[(first * matrix.rows + row) * after + last] =
                        matrix.elements[row * before * after + first * after + last]
                }
            }
        }
        return TuckerTensor(elements, sizes: sizes)
    }

    private func strides(_ side: Int) -> (before: Int, size: Int, after: Int) {
        (sizes.prefix(side).reduce(1, *), sizes[side], sizes.dropFirst(side + 1).reduce(1, *))
    }

    /// Side `side` multiplied by a matrix of (new size) x (old size).
    func multiplied(_ side: Int, by matrix: DoubleMatrix) -> TuckerTensor {
        var sizes = sizes
        sizes[side] = matrix.rows
        return Self.folded(matrix.multiplied(by: unfolded(side)), side, sizes: sizes)
    }

    /// Every side but one projected onto its basis, the rows of `bases[side]`.
    func projected(_ bases: [DoubleMatrix], except skipped: Int? = nil) -> TuckerTensor {
        bases.indices.reduce(self) { $1 == skipped ? $0 : $0.multiplied($1, by: bases[$1]) }
    }

    /// Squared singular values of an unfolding, descending, and its left singular vectors as rows: of the unfolding's Gram
    /// matrix, since only the leading ones are wanted.
    /// - Throws: `LinearAlgebraError`.
    func spectrum(_ side: Int) throws -> (values: [Double], vectors: DoubleMatrix) {
        let unfolded = unfolded(side)
        let eigen = try SymmetricEigen(unfolded.multiplied(by: unfolded, transposeOther: true))
        let size = unfolded.rows
        return (
            eigen.values.reversed(), DoubleMatrix(rows: size, columns: size) { eigen.vectors[size - 1 - $0, $1] }
        )
    }
}
