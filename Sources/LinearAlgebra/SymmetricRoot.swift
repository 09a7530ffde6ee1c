import Tensors

/// A square root G = L L^T of a positive semi-definite matrix, with L invertible whatever G's rank.
///
/// Cholesky where it succeeds and is well conditioned; otherwise L = Q diag(sqrt(max(lambda, floor))), from the
/// eigendecomposition, so that a singular Gram matrix (fewer tokens than features, dead inputs) is no error.
/// The floor is `relativeFloor` times the mean of the diagonal.
public struct SymmetricRoot: Sendable {
    public enum Method: Sendable, Equatable {
        case cholesky
        /// With the number of eigenvalues that were raised to the floor.
        case eigenvalueFloor(raised: Int)
    }

    /// n x n; lower triangular for `.cholesky`, a full matrix otherwise.
    public let factor: DoubleMatrix
    public let method: Method
    private let inverse: DoubleMatrix?

    /// - Throws: `LinearAlgebraError.notFinite`, or `.noConvergence` from the eigenvalue path.
    public init(_ matrix: DoubleMatrix, relativeFloor: Double = 1e-9) throws {
        try self.init(relativeFloor: relativeFloor) { matrix }
    }

    /// The root of the matrix that `read` returns, factored where it lies: one matrix of memory where no one else holds it.
    /// It is read once more for the eigenvalue path.
    /// - Throws: as above.
    public init(relativeFloor: Double = 1e-9, reading read: () -> DoubleMatrix) throws {
        var lower = read()
        precondition(lower.rows == lower.columns)
        guard lower.isFinite else { throw LinearAlgebraError.notFinite(operation: "square root of a Gram matrix") }
        let size = lower.rows
        var mean = 0.0
        for index in 0..<size { mean += lower[index, index] }
        mean = size > 0 && mean > 0 ? mean / Double(size) : 1
        let floor = relativeFloor * mean

        // LAPACK is column-major: its upper triangle is our lower one.
        let info = size > 0 ? lower.withMutableView { Double.potrf(CChar(UInt8(ascii: "U")), size, $0.base) } : 0
        if info == 0, (0..<size).allSatisfy({ lower[$0, $0] * lower[$0, $0] >= floor }) {
            for row in 0..<size {
                for column in row + 1..<max(size, row + 1) { lower[row, column] = 0 }
            }
            factor = lower
            method = .cholesky
            inverse = nil
            return
        }

        lower = DoubleMatrix(rows: 0, columns: 0)
        let eigen = try SymmetricEigen(read())
        var factor = DoubleMatrix(rows: size, columns: size)
        var inverse = DoubleMatrix(rows: size, columns: size)
        for index in 0..<size {
            let root = max(eigen.values[index], floor).squareRoot()
            for position in 0..<size {
                factor[position, index] = eigen.vectors[index, position] * root
                inverse[index, position] = eigen.vectors[index, position] / root
            }
        }
        self.factor = factor
        self.inverse = inverse
        method = .eigenvalueFloor(raised: eigen.values.count { $0 < floor })
    }

    /// matrix L^-1, for a matrix with n columns.
    public func solveRight(_ matrix: DoubleMatrix) -> DoubleMatrix {
        if let inverse { return matrix.multiplied(by: inverse) }
        return triangularSolve(matrix, transpose: false, left: false)
    }

    /// matrix L^-T, for a matrix with n columns.
    public func solveRightTransposed(_ matrix: DoubleMatrix) -> DoubleMatrix {
        if let inverse { return matrix.multiplied(by: inverse, transposeOther: true) }
        return triangularSolve(matrix, transpose: true, left: false)
    }

    /// G^-1 B = L^-T L^-1 B (with the floor where eigenvalues were raised), for B with n rows.
    public func solve(_ matrix: DoubleMatrix) -> DoubleMatrix {
        if let inverse {
            return inverse.multiplied(by: inverse.multiplied(by: matrix), transposeSelf: true)
        }
        let half = triangularSolve(matrix, transpose: false, left: true)
        return triangularSolve(half, transpose: true, left: true)
    }

    private func triangularSolve(_ matrix: DoubleMatrix, transpose: Bool, left: Bool) -> DoubleMatrix {
        var result = matrix
        guard matrix.count > 0 else { return result }
        result.withMutableView { b in
            factor.withView { l in
                Double.trsm(left, transpose, b.rows, b.columns, l.base, max(1, l.rowStride), b.base, max(1, b.rowStride))
            }
        }
        return result
    }
}

/// X with A X = B for a symmetric positive semi-definite A (n x n) and B (n x k): Cholesky after a relative
/// ridge on the diagonal, eigenvalue floor when A is singular even so. About n^3/3 + 2 n^2 k operations.
/// - Throws: `LinearAlgebraError.notFinite`.
public func solvePositive(_ a: DoubleMatrix, _ b: DoubleMatrix, relativeRidge: Double = 0) throws -> DoubleMatrix {
    precondition(a.rows == b.rows)
    var ridged = a
    if relativeRidge > 0 {
        var mean = 0.0
        for index in 0..<a.rows { mean += a[index, index] }
        mean = a.rows > 0 && mean > 0 ? mean / Double(a.rows) : 1
        for index in 0..<a.rows { ridged[index, index] += relativeRidge * mean }
    }
    return try SymmetricRoot(ridged, relativeFloor: 1e-13).solve(b)
}
