import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// Fitters made for embedding tables.
@Suite struct TableFitterTests {
    /// Rows made of a few pieces in each run of columns, so that so many centroids hold them exactly.
    private func pieced(rows: Int, width: Int, runs: Int, pieces: Int) -> Matrix {
        let stock = Instances.random(pieces, width * runs, seed: 3)
        var generator = SeededGenerator(seed: 4)
        let choice = (0..<rows * runs).map { _ in generator.nextInteger(below: pieces) }
        return Matrix(rows: rows, columns: width * runs) { stock[choice[$0 * runs + $1 / width], $1] }
    }

    /// Frequencies as of words: the rarest of 400 a 400th of the most frequent.
    private func frequencies(_ rows: Int) -> [Double] { (0..<rows).map { 1 / Double(1 + ($0 * 37) % rows) } }

    @Test func asManyCentroidsAsPiecesLoseNothing() throws {
        let weight = pieced(rows: 300, width: 4, runs: 3, pieces: 16)
        for objective in [Objective.frobenius, try .fisher(rows: frequencies(300))] {
            let fit = try ProductQuantizationFitter(subspaces: 3, bits: 4).fit(
                weight, objective: objective, size: .storedBytes(.max))
            #expect(fit.relativeError < 1e-12)
            // Half of the centroids cannot do it.
            let half = try ProductQuantizationFitter(subspaces: 3, bits: 3).fit(
                weight, objective: objective, size: .storedBytes(.max))
            #expect(half.relativeError > 0.01)
        }
    }

    @Test func errorFallsWithSubspacesAndWithCentroids() throws {
        let weight = Instances.random(500, 24)
        func error(_ subspaces: Int, _ bits: Int) throws -> Double {
            try ProductQuantizationFitter(subspaces: subspaces, bits: bits).fit(
                weight, objective: .frobenius, size: .storedBytes(.max)
            ).relativeError
        }
        let bySubspaces = try [2, 4, 8, 12, 24].map { try error($0, 5) }
        #expect(zip(bySubspaces, bySubspaces.dropFirst()).allSatisfy { $0 > $1 })
        let byBits = try [1, 2, 4, 6, 8].map { try error(6, $0) }
        #expect(zip(byBits, byBits.dropFirst()).allSatisfy { $0 > $1 })
        let rotated = try [2, 4, 8, 12, 24].map {
            try RotatedProductFitter(subspaces: $0, bits: 5).fit(
                weight, objective: .frobenius, size: .storedBytes(.max)
            ).relativeError
        }
        #expect(zip(rotated, rotated.dropFirst()).allSatisfy { $0 > $1 })
    }

    @Test func weightsOfRowsCountWhereRowsCount() throws {
        let weight = Instances.random(400, 16)
        let objective = try Objective.fisher(rows: frequencies(400))
        for fitter in [
            ProductQuantizationFitter(subspaces: 4, bits: 4), RotatedProductFitter(subspaces: 4, bits: 4),
            RowSharingFitter(rows: 40, bits: 8),
        ] as [any Fitter] {
            let weighted = try fitter.fitAny(weight, objective: objective, size: .storedBytes(.max), context: FitContext())
            let plain = try fitter.fitAny(weight, objective: .frobenius, size: .storedBytes(.max), context: FitContext())
            let other = try objective.error(of: plain.matrix.dense(), for: weight)
            #expect(weighted.relativeError < 0.9 * other, "\(fitter.method.name)")
        }
    }

    /// Correlated columns of falling variance: where axes and bits by variance pay.
    @Test func principalAxesBeatColumnsAsTheyAre() throws {
        let mixing = Instances.random(32, 32, seed: 9)
        var weight = Instances.random(600, 32)
        for row in 0..<600 { for column in 0..<32 { weight[row, column] /= Float(1 + column) } }
        weight = weight.multiplied(by: mixing)
        for objective in [Objective.frobenius, .activations(try Instances.correlatedGram(32))] {
            let plain = try ProductQuantizationFitter(subspaces: 8, bits: 6).fit(
                weight, objective: objective, size: .storedBytes(.max))
            let rotated = try RotatedProductFitter(subspaces: 8, bits: 6).fit(
                weight, objective: objective, size: .storedBytes(.max))
            #expect(rotated.relativeError < 0.5 * plain.relativeError)
        }
    }

    /// At about the same bytes, with weights as of words, two precisions do better than one.
    @Test func finerCodesForHeavyRowsLowerTheWeightedError() throws {
        let weight = Instances.random(1600, 48)
        let objective = try Objective.fisher(rows: frequencies(1600))
        let even = try RotatedProductFitter(subspaces: 12, bits: 4).fit(
            weight, objective: objective, size: .storedBytes(.max))
        let mixed = try RotatedProductFitter(subspaces: 8, topSubspaces: 32, share: 8, bits: 4).fit(
            weight, objective: objective, size: .storedBytes(.max))
        #expect(Double(mixed.matrix.cost.storedBytes) < 1.45 * Double(even.matrix.cost.storedBytes))
        #expect(mixed.relativeError < 0.8 * even.relativeError)
        #expect(
            mixed.matrix.cost
                == RotatedProductFitter.cost(
                    shape: MatrixShape(rows: 1600, columns: 48), subspaces: 8, topSubspaces: 32, share: 8, bits: 4,
                    precision: .f32))
    }

    @Test func rowsThatAreTheSameAreShared() throws {
        let stock = Instances.random(6, 20, seed: 2)
        let weight = Matrix(rows: 90, columns: 20) { stock[($0 * 5) % 6, $1] }
        let fit = try RowSharingFitter(rows: 6, bits: 8).fit(weight, objective: .frobenius, size: .storedBytes(.max))
        // What is left is the rounding of the shared rows to 8 bits.
        #expect(fit.relativeError < 1e-4)
        #expect(Set(fit.matrix.rows).count == 6)
        let fewer = try RowSharingFitter(rows: 5, bits: 8).fit(weight, objective: .frobenius, size: .storedBytes(.max))
        #expect(fewer.relativeError > 0.01)
    }

    @Test func budgetsChooseSizes() throws {
        let weight = Instances.random(512, 32)
        for budget in [3000, 6000, 12_000, 20_000] {
            for fitter in [ProductQuantizationFitter(), RotatedProductFitter(), RowSharingFitter()] as [any Fitter] {
                let fit = try fitter.fitAny(
                    weight, objective: .frobenius, size: .storedBytes(budget), context: FitContext(precision: .f16))
                #expect(fit.matrix.cost.storedBytes <= budget, "\(fitter.method.name)")
                #expect(fit.matrix.cost.storedBytes > budget / 3, "\(fitter.method.name) \(budget)")
            }
        }
    }

    @Test func optionsOutOfBoundsAreTypedErrors() {
        let weight = Instances.random(8, 16)
        func message(_ fitter: some Fitter) -> String {
            do {
                _ = try fitter.fit(weight, objective: .frobenius, size: .storedBytes(.max), context: FitContext(name: "m"))
                return "no error"
            } catch { return "\(error)" }
        }
        #expect(
            message(ProductQuantizationFitter(subspaces: 17))
                == "product-quantization: option 'subspaces': expected 1 to the 16 columns of a 8 x 16 matrix, got 17")
        #expect(message(ProductQuantizationFitter(bits: 17)) == "product-quantization: option 'bits': expected 1 to 16, got 17")
        #expect(
            message(RotatedProductFitter(subspaces: 2, topSubspaces: 0))
                == "rotated-product-quantization: option 'top subspaces': expected 1 to the 16 columns of a 8 x 16 matrix, got 0")
        #expect(message(RotatedProductFitter(share: 65)) == "rotated-product-quantization: option 'share': expected 1 to 64, got 65")
        #expect(message(RowSharingFitter(rows: 9)) == "row-sharing: option 'rows': expected 1 to 8, got 9")
        #expect(message(RowSharingFitter(bits: 7)) == "row-sharing: option 'bits': expected 2, 3, 4, 5, 6 or 8, got 7")
    }

    /// Low-rank's errors of all ranks at once, with weights of rows as without.
    @Test func errorsOfAllRanksAreThoseOfTheFits() throws {
        let weight = Instances.random(60, 12)
        let objective = try Objective.fisher(rows: frequencies(60), activations: Instances.correlatedGram(12))
        let other = try Objective.fisher(rows: frequencies(60), activations: Instances.correlatedGram(12, seed: 7))
        let factorisation = try LowRankFactorisation(weight, objective: objective)
        for assessment in [objective, other] {
            let errors = try factorisation.relativeErrors(ranks: [1, 4, 9], of: weight, under: assessment)
            for (rank, error) in zip([1, 4, 9], errors) {
                let fit = try assessment.error(of: factorisation.matrix(rank: rank).dense(), for: weight)
                #expect(abs(error - fit) < 1e-5)
            }
        }
    }
}
