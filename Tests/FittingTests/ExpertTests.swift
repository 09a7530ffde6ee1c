import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// Matrices of experts: one factor shared by many, and one layer cut into many.
@Suite struct ExpertTests {
    private static func experts(_ count: Int, rows: Int, columns: Int) -> [Matrix] {
        (0..<count).map { Instances.random(rows, columns, seed: UInt64(10 + $0)) }
    }

    @Test(arguments: SharedProjection.Side.allCases)
    func plantedSharedFactorComesBack(side: SharedProjection.Side) throws {
        let shared = side == .input ? Instances.random(5, 24) : Instances.random(24, 5)
        let experts = (0..<4).map { index -> Matrix in
            let own = Instances.random(12, 5, seed: UInt64(2 + index))
            return side == .input ? own.multiplied(by: shared) : shared.multiplied(by: own, transposeOther: true)
        }
        let moments = side == .input ? [try Instances.correlatedGram(24)] : [try Instances.correlatedGram(12)]
        for moments in [[], moments] {
            let fit = try SharedProjectionFitter(side: side, latent: 5).fit(experts, moments: moments)
            #expect(fit.relativeError < 1e-10)
            for (index, expert) in experts.enumerated() {
                #expect((fit.expert(index).dense() - expert).squaredNorm < 1e-10 * expert.squaredNorm)
            }
            #expect(fit.latent == 5 && fit.parameters == 5 * 24 + 4 * 12 * 5)
        }
    }

    /// The error is the tail of the stacked spectrum, and the one measured on the parts.
    @Test(arguments: SharedProjection.Side.allCases)
    func errorIsTheTailOfTheStackedSpectrum(side: SharedProjection.Side) throws {
        let experts = Self.experts(3, rows: 10, columns: 16)
        let frequencies = [0.5, 0.3, 0.2]
        let gram = try Instances.correlatedGram(16)
        let fit = try SharedProjectionFitter(side: side, latent: 4).fit(
            experts, frequencies: frequencies, moments: [gram])
        var (lost, total) = (0.0, 0.0)
        for (index, expert) in experts.enumerated() {
            func squared(_ matrix: Matrix) -> Double {
                let wide = matrix.converted(to: Double.self)
                return frequencies[index] * wide.multiplied(by: gram.matrix).innerProduct(wide)
            }
            lost += squared(expert - fit.expert(index).dense())
            total += squared(expert)
        }
        #expect(abs(lost / total - fit.relativeError) < 1e-5)
    }

    @Test func oneExpertIsLowRank() throws {
        let weight = Instances.random(12, 18)
        let gram = try Instances.correlatedGram(18)
        let fit = try SharedProjectionFitter(latent: 6).fit([weight], moments: [gram])
        let lowRank = try LowRankFactorisation(weight, objective: .activations(gram)).relativeError(rank: 6)
        #expect(abs(fit.relativeError - lowRank) < 1e-9)
    }

    @Test func badExpertsAreTypedErrors() throws {
        #expect(throws: FittingError.self) { try SharedProjectionFitter(latent: 1).fit([]) }
        #expect(
            throws: FittingError.shapeMismatch(
                matrix: "matrix", expected: MatrixShape(rows: 2, columns: 3), got: MatrixShape(rows: 3, columns: 3))
        ) { try SharedProjectionFitter(latent: 1).fit([Instances.random(2, 3), Instances.random(3, 3)]) }
        #expect(
            throws: FittingError.invalidOption(fitter: "shared-projection", option: "latent", expected: "1 to 3", got: 4)
        ) { try SharedProjectionFitter(latent: 4).fit([Instances.random(2, 3), Instances.random(2, 3)]) }
        var broken = Instances.random(2, 3)
        broken[1, 1] = .infinity
        #expect(throws: FittingError.notFiniteWeight(matrix: "matrix", row: 1, column: 1)) {
            try SharedProjectionFitter(latent: 1).fit([Instances.random(2, 3), broken])
        }
        #expect(
            throws: FittingError.invalidOption(
                fitter: "feed-forward split", option: "experts", expected: "a divisor of 10", got: 4)
        ) { try FeedForwardSplit(hidden: 10, experts: 4) }
    }

    // MARK: FactorLLM

    private static func outputs(_ split: FeedForwardSplit, _ x: Matrix, _ up: Matrix, _ down: Matrix) -> [Matrix] {
        (0..<split.experts).map { expert in
            var hidden = x.multiplied(by: split.rows(of: up, expert: expert), transposeOther: true)
            for index in hidden.elements.indices { hidden.elements[index] = max(0, hidden.elements[index]) }
            return hidden.multiplied(by: split.columns(of: down, expert: expert), transposeOther: true)
        }
    }

    @Test func allExpertsTogetherAreTheLayer() throws {
        let (up, down, x) = (
            Instances.random(24, 8), Instances.random(8, 24, seed: 2), Instances.random(5, 8, seed: 3)
        )
        let whole = try #require(
            Self.outputs(try FeedForwardSplit(hidden: 24, experts: 1), x, up, down).first)
        let gram = try Instances.correlatedGram(24)
        for split in [try FeedForwardSplit(hidden: 24, experts: 4), try FeedForwardSplit(moments: gram, experts: 4)] {
            #expect(split.units.flatMap(\.self).sorted() == Array(0..<24))
            #expect(split.scale(kept: 4) == 1 && split.scale(kept: 2) == 2)
            let parts = Self.outputs(split, x, up, down)
            let sum = parts.dropFirst().reduce(parts[0]) { $0 + $1 }
            #expect((sum - whole).squaredNorm < 1e-10 * whole.squaredNorm)
            // Labels by brute force.
            let labels = FeedForwardSplit.nearest(2, outputs: parts, layer: whole)
            for token in 0..<x.rows {
                let distances = parts.map { part in
                    (0..<8).reduce(0.0) { sum, feature in
                        let difference = Double(part[token, feature] - 0.5 * whole[token, feature])
                        return sum + difference * difference
                    }
                }
                let farthest = labels[token].map { distances[$0] }.max() ?? 0
                #expect(labels[token].count == 2)
                #expect((0..<4).filter { !labels[token].contains($0) }.allSatisfy { distances[$0] >= farthest })
            }
        }
    }

    /// Units that go together are put together.
    @Test func coactiveUnitsShareAnExpert() throws {
        let order = [3, 1, 0, 2, 2, 0, 1, 3, 0, 0, 1, 1, 2, 2, 3, 3]
        let causes = Instances.random(400, 4)
        let noise = Instances.random(400, 16, seed: 2)
        let activations = Matrix(rows: 400, columns: 16) { causes[$0, order[$1]] + 0.1 * noise[$0, $1] }
        let split = try FeedForwardSplit(moments: Gram(inputs: activations.converted(to: Double.self)), experts: 4)
        #expect(split.units.allSatisfy { units in Set(units.map { order[$0] }).count == 1 })
    }
}
