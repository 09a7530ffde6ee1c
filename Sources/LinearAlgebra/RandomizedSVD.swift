import Tensors

/// Randomized truncated SVD by subspace iteration (Halko, Martinsson, Tropp, arXiv 0909.4061, algorithm 4.4).
///
/// Every half step is re-orthonormalised by Householder QR, without which power iterations lose the small
/// singular values in `Float`. Cost about 2 (2q + 2) m n (r + p) operations.
public struct RandomizedSVD: Sendable {
    /// Columns sampled beyond the rank.
    public var oversampling: Int
    /// q; 2 for the slow spectra of trained weights, 1 after whitening.
    public var powerIterations: Int

    public init(oversampling: Int = 10, powerIterations: Int = 2) {
        self.oversampling = oversampling
        self.powerIterations = powerIterations
    }

    /// The leading `rank` singular triples of `matrix`, from the generator's next `columns x (rank + oversampling)` normals.
    /// - Throws: `LinearAlgebraError`.
    public func callAsFunction<Scalar: LinearAlgebraScalar>(
        _ matrix: DenseMatrix<Scalar>, rank: Int, using generator: inout SeededGenerator
    ) throws -> SingularValues<Scalar> {
        let width = min(rank + oversampling, min(matrix.rows, matrix.columns))
        let sample = DenseMatrix<Scalar>.random(rows: matrix.columns, columns: width, using: &generator)
        var range = try QR(matrix.multiplied(by: sample)).q
        for _ in 0..<powerIterations {
            let corange = try QR(matrix.multiplied(by: range, transposeSelf: true)).q
            range = try QR(matrix.multiplied(by: corange)).q
        }
        let projected = try SingularValues(range.multiplied(by: matrix, transposeSelf: true))
        return SingularValues(
            u: range.multiplied(by: projected.u), values: projected.values, vt: projected.vt
        ).truncated(to: rank)
    }
}
