import Fitting
import StructuredMatrices
import Tensors
import Testing

@Suite struct ObjectiveTests {
    @Test func errorIsTheTraceFormula() throws {
        let (weight, other) = (Instances.random(3, 5), Instances.random(3, 5, seed: 2))
        let gram = try Instances.correlatedGram(5)
        var (error, total) = (0.0, 0.0)
        for row in 0..<3 {
            for i in 0..<5 {
                for j in 0..<5 {
                    let g = gram.matrix[i, j]
                    error +=
                        Double(weight[row, i] - other[row, i]) * g * Double(weight[row, j] - other[row, j])
                    total += Double(weight[row, i]) * g * Double(weight[row, j])
                }
            }
        }
        let measured = try Objective.activations(gram).error(of: other, for: weight)
        #expect(abs(measured - error / total) < 1e-6 * measured)
        let plain = try Objective.frobenius.error(of: other, for: weight)
        #expect(abs(plain - (weight - other).squaredNorm / weight.squaredNorm) < 1e-6 * plain)
    }

    @Test func identityGramIsFrobenius() throws {
        let (weight, other) = (Instances.random(4, 6), Instances.random(4, 6, seed: 2))
        let identity = Objective.activations(try Gram(.identity(6)))
        let difference =
            try identity.error(of: other, for: weight) - Objective.frobenius.error(of: other, for: weight)
        #expect(abs(difference) < 1e-12)
    }

    @Test func zeroWeightAndZeroGramHaveNoError() throws {
        let zeroGram = Objective.activations(try Gram(DoubleMatrix(rows: 6, columns: 6)))
        let (weight, zero) = (Instances.random(4, 6), Matrix(rows: 4, columns: 6))
        #expect(try zeroGram.error(of: zero, for: weight) == 0)
        #expect(try Objective.frobenius.error(of: zero, for: zero) == 0)
    }

    @Test func gramIsDampedByItsMeanDiagonal() throws {
        var matrix = DoubleMatrix(rows: 2, columns: 2)
        matrix[0, 0] = 2
        #expect(try Gram(matrix, relativeDamping: 0.5).diagonal == [2.5, 0.5])
        #expect(try Gram(matrix).diagonal == [2 + Gram.defaultDamping, Gram.defaultDamping])
        #expect(try Gram(matrix, relativeDamping: 0).diagonal == [2, 0])
    }

    @Test func manyRowsAreSummedInPieces() throws {
        let weight = Instances.random(2500, 3)
        let half = Matrix(rows: 2500, columns: 3, elements: weight.elements.map { $0 / 2 })
        #expect(abs(try Objective.frobenius.error(of: half, for: weight) - 0.25) < 1e-12)
    }

    @Test func badGramMatricesAreTypedErrors() throws {
        #expect(throws: FittingError.gramNotSquare(rows: 2, columns: 3)) {
            try Gram(DoubleMatrix(rows: 2, columns: 3))
        }
        var matrix = DoubleMatrix.identity(3)
        matrix[1, 2] = .infinity
        #expect(throws: FittingError.notFiniteGram(row: 1, column: 2)) { try Gram(matrix) }
        let gram = try Gram(.identity(4))
        #expect(
            throws: FittingError.gramMismatch(
                matrix: "matrix", shape: MatrixShape(rows: 2, columns: 3), gramSize: 4)
        ) { try Objective.activations(gram).error(of: Instances.random(2, 3), for: Instances.random(2, 3)) }
    }

    @Test func messagesAreOneLine() {
        let shape = MatrixShape(rows: 3, columns: 5)
        let errors: [(FittingError, String)] = [
            (.emptyWeight(matrix: "w", shape: shape), "w: a 3 x 5 weight has nothing to fit"),
            (
                .notFiniteWeight(matrix: "w", row: 1, column: 2),
                "w: the weight is NaN or infinite at row 1, column 2"
            ),
            (.notFiniteGram(row: 1, column: 2), "Gram matrix: NaN or infinite at row 1, column 2"),
            (.gramNotSquare(rows: 1, columns: 2), "Gram matrix: expected a square matrix, got 1 x 2"),
            (
                .gramMismatch(matrix: "w", shape: shape, gramSize: 4),
                "w: a 3 x 5 weight needs a Gram matrix of size 5, got 4"
            ),
            (
                .shapeMismatch(matrix: "w", expected: shape, got: MatrixShape(rows: 1, columns: 2)),
                "w: expected a 3 x 5 matrix, got 1 x 2"
            ),
            (
                .budgetBelowMinimum(
                    matrix: "w", family: "low-rank", shape: shape, budget: .storedBytes(7),
                    minimum: Cost(parameters: 8, storedBytes: 32, multiplyAdds: 8)),
                "w: a budget of 7 bytes is below the smallest low-rank form of a 3 x 5 matrix "
                    + "(8 parameters, 32 bytes, 8 multiply-adds)"
            ),
            (
                .invalidOption(fitter: "f", option: "bits", expected: "2, 3, 4 or 8", got: 5),
                "f: option 'bits': expected 2, 3, 4 or 8, got 5"
            ),
            (
                .indivisible(matrix: "w", family: "blast", shape: shape, blocks: 2),
                "w: blast cannot cut a 3 x 5 matrix into 2 blocks each way"
            ),
            (.cancelled(matrix: "w"), "w: the fit was cancelled"),
        ]
        for (error, message) in errors { #expect("\(error)" == message) }
    }
}
