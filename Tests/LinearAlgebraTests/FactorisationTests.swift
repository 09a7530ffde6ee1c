import Tensors
import Testing

import LinearAlgebra

@Suite struct FactorisationTests {
    static let shapes = [(1, 1), (5, 3), (3, 7), (16, 16), (40, 9), (65, 64)]

    static func random(_ rows: Int, _ columns: Int, seed: UInt64 = 1) -> DoubleMatrix {
        var generator = SeededGenerator(seed: seed)
        return .random(rows: rows, columns: columns, using: &generator)
    }

    @Test(arguments: shapes)
    func singularValuesRebuildTheMatrix(rows: Int, columns: Int) throws {
        let matrix = Self.random(rows, columns)
        let svd = try SingularValues(matrix)
        #expect((svd.product() - matrix).squaredNorm < 1e-20 * matrix.squaredNorm)
        #expect(svd.values == svd.values.sorted(by: >))
        let narrow = try SingularValues(matrix.converted(to: Float.self))
        #expect((narrow.product() - matrix.converted()).squaredNorm < 1e-10 * matrix.squaredNorm)
    }

    @Test(arguments: shapes)
    func eigenvectorsDiagonalise(rows: Int, columns: Int) throws {
        let gram = Self.random(rows, columns).gramian()
        let eigen = try SymmetricEigen(gram)
        var scaled = eigen.vectors
        for row in 0..<columns { for column in 0..<columns { scaled[row, column] *= eigen.values[row] } }
        let rebuilt = eigen.vectors.multiplied(by: scaled, transposeSelf: true)
        #expect((rebuilt - gram).squaredNorm < 1e-20 * max(1, gram.squaredNorm))
    }

    @Test(arguments: shapes)
    func rootsOfGramMatrices(rows: Int, columns: Int) throws {
        // With rows < columns the Gram matrix is singular: the floor path must serve without an error.
        let gram = Self.random(rows, columns).gramian()
        let root = try SymmetricRoot(gram)
        let rebuilt = root.factor.multiplied(by: root.factor, transposeOther: true)
        #expect((rebuilt - gram).squaredNorm < 1e-12 * max(1, gram.squaredNorm))
        if rows < columns { #expect(root.method != .cholesky) }
        let matrix = Self.random(4, columns, seed: 2)
        let back = root.solveRight(matrix).multiplied(by: root.factor)
        #expect((back - matrix).squaredNorm < 1e-10 * matrix.squaredNorm)
    }

    @Test func zeroGramMatrixIsNoError() throws {
        let root = try SymmetricRoot(DoubleMatrix(rows: 4, columns: 4))
        #expect(root.method == .eigenvalueFloor(raised: 4))
        #expect(root.factor.isFinite)
    }

    @Test func notANumberIsATypedError() {
        var matrix = DoubleMatrix.identity(3)
        matrix[1, 1] = .nan
        let operation = "square root of a Gram matrix"
        #expect(throws: LinearAlgebraError.notFinite(operation: operation)) { try SymmetricRoot(matrix) }
        #expect("\(LinearAlgebraError.notFinite(operation: operation))"
            == "square root of a Gram matrix: the matrix holds NaN or infinite numbers")
    }

    @Test func messagesNameOperationAndShape() {
        let svd = "singular value decomposition"
        #expect("\(LinearAlgebraError.noConvergence(operation: svd, rows: 3, columns: 2))"
            == "singular value decomposition of a 3 x 2 matrix did not converge")
        #expect("\(LinearAlgebraError.tooLarge(operation: svd, rows: 30000, columns: 40000))"
            == "singular value decomposition: a 30000 x 40000 matrix is too large for the linear algebra library")
    }

    @Test func positiveSystemsAreSolved() throws {
        let a = Self.random(30, 12).gramian()
        let x = Self.random(12, 3, seed: 3)
        let solved = try solvePositive(a, a.multiplied(by: x))
        #expect((solved - x).squaredNorm < 1e-16 * x.squaredNorm)
    }

    @Test func transposedProductsAgree() {
        let (a, b) = (Self.random(5, 7), Self.random(5, 4, seed: 9))
        let expected = a.transposed().multiplied(by: b)
        #expect((a.multiplied(by: b, transposeSelf: true) - expected).squaredNorm < 1e-24)
        #expect((expected.transposed() - b.transposed().multiplied(by: a.transposed(), transposeOther: true)).squaredNorm < 1e-24)
    }
}
