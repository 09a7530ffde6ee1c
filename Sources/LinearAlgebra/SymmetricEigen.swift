import Tensors

/// A = Q diag(values) Q^T of a symmetric matrix, values ascending.
public struct SymmetricEigen<Scalar: LinearAlgebraScalar>: Sendable {
    /// Ascending.
    public let values: [Scalar]
    /// n x n; row i is the eigenvector of `values[i]`.
    public let vectors: DenseMatrix<Scalar>

    /// Divide and conquer (LAPACK syevd), about 4 n^3 operations; only the lower triangle is read.
    /// - Throws: `LinearAlgebraError`.
    public init(_ matrix: DenseMatrix<Scalar>) throws {
        precondition(matrix.rows == matrix.columns)
        guard matrix.isFinite else { throw LinearAlgebraError.notFinite(operation: "eigendecomposition") }
        // Symmetric, so row-major and column-major are the same matrix; only its triangle's name flips,
        // and callers pass both triangles filled.
        var vectors = matrix
        var values = [Scalar](repeating: 0, count: matrix.rows)
        if matrix.rows > 0 {
            let info = vectors.withMutableView { Scalar.syevd(matrix.rows, $0.base, &values) }
            guard info == 0 else {
                throw LinearAlgebraError(
                    info: info, operation: "eigendecomposition", rows: matrix.rows, columns: matrix.columns)
            }
        }
        self.values = values
        self.vectors = vectors
    }
}
