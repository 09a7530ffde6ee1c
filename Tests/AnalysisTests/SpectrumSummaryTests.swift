import Analysis
import Foundation
import LinearAlgebra
import Tensors
import Testing

@Suite struct SpectrumSummaryTests {
    @Test func knownSpectrum() throws {
        // Singular values 3, 2, 1: energies 9, 4, 1 of 14.
        var matrix = Matrix(rows: 3, columns: 5)
        for (index, value) in [1, 3, 2].enumerated() { matrix[index, index + 1] = Float(value) }
        let summary = try SpectrumSummary(matrix)
        #expect(zip(summary.singularValues, [3, 2, 1]).allSatisfy { abs($0 - $1) < 1e-9 })
        #expect(summary.singularValues.count == 3)
        #expect(summary.rank90 == 2)
        #expect(summary.rank99 == 3)
        #expect(abs(summary.stableRank - 14 / 9) < 1e-9)
        let shares = [0.5, 1 / 3.0, 1 / 6.0]
        #expect(abs(summary.effectiveRank - exp(-shares.map { $0 * log($0) }.reduce(0, +))) < 1e-9)
        #expect(summary.breakEvenRank == 1)
        #expect(abs(summary.energy(rank: 2) - 13 / 14) < 1e-9)
        #expect(summary.energy(rank: 0) == 0)
    }

    @Test func agreesWithTheDecomposition() throws {
        var generator = SeededGenerator(seed: 5)
        for (rows, columns) in [(17, 9), (9, 17), (12, 12)] {
            let matrix = Matrix.random(rows: rows, columns: columns, using: &generator)
            let exact = try SingularValues(matrix.converted(to: Double.self)).values
            let summary = try SpectrumSummary(matrix)
            #expect(summary.singularValues.count == exact.count)
            #expect(zip(summary.singularValues, exact).allSatisfy { abs($0 - $1) < 1e-8 * exact[0] })
        }
    }

    @Test func underAGramMatrixEnergyIsTheMeanSquaredOutput() throws {
        var generator = SeededGenerator(seed: 6)
        let matrix = Matrix.random(rows: 7, columns: 5, using: &generator)
        let inputs = Matrix.random(rows: 40, columns: 5, using: &generator)
        var gram = inputs.converted(to: Double.self).gramian()
        gram.scale(by: 1 / 40)
        let summary = try SpectrumSummary(matrix, gram: gram)
        let energy = summary.singularValues.reduce(0) { $0 + $1 * $1 }
        let outputs = inputs.multiplied(by: matrix, transposeOther: true).squaredNorm / 40
        #expect(abs(energy - outputs) < 1e-4 * outputs)
        #expect(throws: AnalysisError.shapeMismatch(what: "Gram matrix", expected: "5 x 5", got: "4 x 4")) {
            try SpectrumSummary(matrix, gram: .identity(4))
        }
    }

    @Test func zerosHaveRankZero() throws {
        let summary = try SpectrumSummary(Matrix(rows: 4, columns: 3))
        #expect(summary.rank90 == 0)
        #expect(summary.effectiveRank == 0)
        #expect(summary.stableRank == 0)
        #expect(summary.energy(rank: 0) == 1)
    }
}
