import LinearAlgebra
import Tensors

/// The leading left singular subspace of a matrix that changes slowly: kept from one sweep to the next and improved by a
/// few steps of orthogonal iteration, each 4 rows columns rank multiply-adds. What it captures never falls.
struct Subspace {
    /// rows x rank, orthonormal columns.
    let basis: DoubleMatrix

    /// That of `matrix`, by a singular value decomposition.
    /// - Throws: `LinearAlgebraError`.
    init(of matrix: DoubleMatrix, rank: Int) throws {
        let u = try SingularValues(matrix).u
        basis = u.block(rows: 0..<u.rows, columns: 0..<min(rank, u.columns))
    }

    private init(basis: DoubleMatrix) { self.basis = basis }

    /// Closer to that of `matrix`.
    /// - Throws: `LinearAlgebraError`.
    func improved(for matrix: DoubleMatrix, steps: Int) throws -> Subspace {
        var basis = basis
        for _ in 0..<steps {
            let image = matrix.multiplied(by: matrix.multiplied(by: basis, transposeSelf: true))
            // A zero matrix has every subspace.
            guard image.squaredNorm > 0 else { break }
            basis = try QR(image).q
        }
        return Subspace(basis: basis)
    }

    /// The part of `matrix` whose columns lie in the subspace.
    func projection(of matrix: DoubleMatrix) -> DoubleMatrix {
        basis.multiplied(by: basis.multiplied(by: matrix, transposeSelf: true))
    }
}
