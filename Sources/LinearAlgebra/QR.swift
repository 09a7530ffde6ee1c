import Tensors

/// A = Q R of a tall matrix (rows >= columns): Q rows x columns with orthonormal columns, R upper triangular.
public struct QR<Scalar: LinearAlgebraScalar>: Sendable {
    public let q: DenseMatrix<Scalar>
    public let r: DenseMatrix<Scalar>

    /// Householder (LAPACK geqrf, orgqr), on the calling thread.
    /// - Throws: `LinearAlgebraError.notFinite`.
    public init(_ matrix: DenseMatrix<Scalar>) throws {
        precondition(matrix.rows >= matrix.columns, "QR here is of tall matrices")
        guard matrix.isFinite else { throw LinearAlgebraError.notFinite(operation: "QR factorisation") }
        var columnMajor = matrix.transposed()
        var r = DenseMatrix<Scalar>(rows: matrix.columns, columns: matrix.columns)
        if matrix.columns > 0 {
            _ = columnMajor.withMutableView { a in
                r.withMutableView { Scalar.qr(matrix.rows, matrix.columns, a.base, $0.base) }
            }
        }
        q = columnMajor.transposed()
        self.r = r
    }
}
