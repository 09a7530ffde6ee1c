import Tensors

/// A = U diag(s) V^T, thin: k = min(rows, columns) or the rank asked for, values descending.
public struct SingularValues<Scalar: LinearAlgebraScalar>: Sendable {
    /// rows x k, orthonormal columns.
    public let u: DenseMatrix<Scalar>
    /// Descending, non-negative.
    public let values: [Scalar]
    /// k x columns, orthonormal rows.
    public let vt: DenseMatrix<Scalar>

    public init(u: DenseMatrix<Scalar>, values: [Scalar], vt: DenseMatrix<Scalar>) {
        self.u = u
        self.values = values
        self.vt = vt
    }

    /// Divide and conquer (LAPACK gesdd), on the calling thread.
    /// - Throws: `LinearAlgebraError`.
    public init(_ matrix: consuming DenseMatrix<Scalar>) throws {
        guard matrix.isFinite else { throw LinearAlgebraError.notFinite(operation: "singular value decomposition") }
        let (rows, columns) = (matrix.rows, matrix.columns)
        let rank = min(rows, columns)
        var values = [Scalar](repeating: 0, count: rank)
        // Row-major A is column-major A^T = V diag(s) U^T: LAPACK's "u" is then V and its "vt" is U^T.
        // Overwritten; where no one else holds the matrix, without a copy.
        var copy = consume matrix
        var vt = DenseMatrix<Scalar>(rows: rank, columns: columns)
        var u = DenseMatrix<Scalar>(rows: rows, columns: rank)
        if rank > 0 {
            let info = copy.withMutableView { a in
                vt.withMutableView { v in
                    u.withMutableView { w in Scalar.gesdd(columns, rows, a.base, &values, v.base, w.base) }
                }
            }
            guard info == 0 else {
                throw LinearAlgebraError(
                    info: info, operation: "singular value decomposition", rows: rows, columns: columns)
            }
        }
        self.init(u: u, values: values, vt: vt)
    }

    /// The leading `rank` triples.
    public func truncated(to rank: Int) -> Self {
        let kept = min(rank, values.count)
        return Self(
            u: u.block(rows: 0..<u.rows, columns: 0..<kept), values: Array(values.prefix(kept)),
            vt: vt.block(rows: 0..<kept, columns: 0..<vt.columns))
    }

    /// U diag(s) V^T.
    public func product() -> DenseMatrix<Scalar> {
        var scaled = vt
        for row in 0..<vt.rows {
            for column in 0..<vt.columns { scaled[row, column] *= values[row] }
        }
        return u.multiplied(by: scaled)
    }
}
