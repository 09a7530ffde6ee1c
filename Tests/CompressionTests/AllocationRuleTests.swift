import Compression
import Foundation
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// The rules that share a budget out, on tables and spectra whose answer is known.
@Suite struct AllocationRuleTests {
    private static func table(_ costs: [[(Int, Double)]]) -> [[AllocationChoice]] {
        costs.map { $0.map { AllocationChoice(cost: $0.0, damage: $0.1) } }
    }

    @Test(arguments: UInt64(1)...8)
    func onlyChoicesThatNothingBeatsAreKept(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let choices = (0..<40).map { _ in
            AllocationChoice(
                cost: generator.nextInteger(below: 12), secondCost: generator.nextInteger(below: 4),
                damage: Double(generator.nextInteger(below: 10)))
        }
        let kept = AllocationChoice.undominated(choices)
        func beats(_ one: AllocationChoice, _ other: AllocationChoice) -> Bool {
            one.cost <= other.cost && one.secondCost <= other.secondCost && one.damage <= other.damage
        }
        for index in choices.indices where !kept.contains(index) {
            #expect(kept.contains { beats(choices[$0], choices[index]) })
        }
        for index in kept {
            #expect(!kept.contains { $0 != index && beats(choices[$0], choices[index]) })
        }
        // Nothing is lost by it: the optimum of the knapsack is the same.
        let whole = [choices, choices]
        let few = whole.map { row in kept.map { row[$0] } }
        for budget in [4, 9, 15] {
            let (all, some) = (
                try? Allocator().solve(whole, budget: budget, quantity: "bytes"),
                try? Allocator().solve(few, budget: budget, quantity: "bytes"))
            #expect(all?.damage == some?.damage)
        }
    }

    @Test func sharesKeepTheBudgetAndGrowWithIt() throws {
        let table = Self.table([
            [(10, 4), (20, 3), (40, 1), (80, 0)], [(10, 5), (30, 5), (40, 2), (80, 0)], [(5, 9), (10, 8), (20, 0)],
        ])
        let shares = ShareAllocation(proportions: [2, 1, 1])
        var last = [0, 0, 0]
        for budget in stride(from: 25, through: 190, by: 5) {
            guard let choices = shares.choices(table, [AllocationLimit(budget, "bytes")]) else {
                Issue.record("no choice for \(budget)")
                continue
            }
            let cost = zip(choices, table).reduce(0) { $0 + $1.1[$1.0].cost }
            #expect(cost <= budget)
            #expect(zip(choices, last).allSatisfy { $0 >= $1 })
            // A cheaper choice as good is never passed over.
            #expect(choices[1] != 1)
            last = choices
        }
        #expect(last == [3, 3, 2])
        #expect(shares.choices(table, [AllocationLimit(24, "bytes")]) == nil)
        #expect(shares.choices(table, [AllocationLimit(100, "bytes"), AllocationLimit(-1, "multiply-adds")]) == nil)
        // The matrix with twice the share gets more.
        let choices = try #require(shares.choices(table, [AllocationLimit(90, "bytes")]))
        #expect(choices[0] == 2 && choices[1] == 0)
    }

    // MARK: - WeLore

    @Test func spectraThatFallEarlyEndSmall() throws {
        let planted = (0..<64).map { $0 < 8 ? 1.0 : 0.01 * Double(64 - $0) / 64 }
        let flat = (0..<64).map { 1 - 0.5 * Double($0) / 64 }
        let choices = (1...64).map { AllocationChoice(cost: $0, damage: Double(64 - $0)) }
        let shares = SpectralThresholdStrategy.shares([planted, flat, []])
        var last = 0
        for budget in stride(from: 10, through: 190, by: 10) {
            let found = try #require(shares.choices([choices, choices, choices], [AllocationLimit(budget, "bytes")]))
            let ranks = found.map { $0 + 1 }
            #expect(ranks.reduce(0, +) <= budget && ranks.reduce(0, +) >= last)
            // What is not known gets the mean.
            #expect(abs(ranks[2] - (ranks[0] + ranks[1]) / 2) <= 1)
            last = ranks.reduce(0, +)
        }
        let half = try #require(shares.choices([choices, choices, choices], [AllocationLimit(96, "bytes")]))
        #expect((7...9).contains(half[0] + 1) && half[1] + 1 > 40)
    }

    // MARK: - FARMS

    @Test func theTailExponentIsRecovered() {
        var generator = SeededGenerator(seed: 4)
        for alpha in [1.8, 2.5, 4.0] {
            // The density lambda^-alpha on [1, oo) by inversion.
            let values = (0..<20_000).map { _ in pow(1 - generator.nextUniform(), -1 / (alpha - 1)) }
            #expect(abs(HeavyTailStrategy.tailExponent(values) - alpha) < 0.1)
        }
        #expect(HeavyTailStrategy.tailExponent([]) == HeavyTailStrategy.tailExponent([3, 3, 3]))
        #expect(HeavyTailStrategy.tailExponent([0, 0]).isFinite)
    }

    @Test func theExponentDoesNotDependOnTheAspectRatio() throws {
        var generator = SeededGenerator(seed: 9)
        func gaussian(_ rows: Int, _ columns: Int) -> Matrix { .random(rows: rows, columns: columns, using: &generator) }
        let (square, wide) = (gaussian(256, 256), gaussian(256, 1024))
        let windows = try [square, wide].map { try HeavyTailStrategy.exponent(of: $0) }
        #expect(abs(windows[0] / windows[1] - 1) < 0.03)
        // Without windows they differ, which is what they are for.
        let whole = try [square, wide].map { matrix in
            let product = matrix.converted(to: Double.self).multiplied(
                by: matrix.converted(to: Double.self), transposeOther: true)
            return HeavyTailStrategy.tailExponent(try SymmetricEigen(product).values)
        }
        #expect(whole[1] > 1.3 * whole[0])
    }

    @Test func proportionsSpreadAroundOne() {
        let proportions = HeavyTailStrategy.proportions([2, 3, 4])
        #expect(abs(proportions[0] - (1 + HeavyTailStrategy.spread)) < 1e-12)
        #expect(abs(proportions[1] - 1) < 1e-12 && abs(proportions[2] - (1 - HeavyTailStrategy.spread)) < 1e-12)
        #expect(HeavyTailStrategy.proportions([2, 2]) == [1, 1])
    }

    // MARK: - Block influence

    @Test func influentialBlocksKeepMore() {
        let proportions = BlockInfluenceStrategy.proportions([0, 1, 2])
        #expect(proportions[0] < proportions[1] && proportions[1] < proportions[2])
        #expect(abs(proportions[1] - 0.5) < 1e-12)
        #expect(BlockInfluenceStrategy.proportions([0, 0]) == [0.5, 0.5])
    }

    @Test func blocksAreNamedByTheFirstNumber() {
        let sites = ["embed", "layer.0.a", "layer.0.b", "layer.1.a.2", "head"].map {
            MatrixSite(name: $0, shape: MatrixShape(rows: 1, columns: 1), role: .linear, input: nil)
        }
        let blocks = ModelBlocks(sites)
        #expect(blocks.members == [[0], [1, 2], [3], [4]])
        #expect(blocks.means([5, 1, 3, 7, 9]) == [5, 2, 2, 7, 9])
    }

    // MARK: - Measured damages

    @Test func theDamageCurvePassesThroughItsPoints() {
        let curve = DamageCurve([(0.01, 0.002), (0.1, 0.01)])
        #expect(abs(curve(0.01) - 0.002) < 1e-12 && abs(curve(0.1) - 0.01) < 1e-12)
        #expect(abs(curve(0.001) - 0.0002) < 1e-12 && curve(0) == 0)
        let values = stride(from: 0.0, through: 1, by: 0.01).map { curve($0) }
        #expect(zip(values, values.dropFirst()).allSatisfy { $0 < $1 })
        // Noise does not bend it beyond reason, and nothing measured is no damage.
        #expect(DamageCurve([(0.01, 0.002), (0.1, 0.001)])(0.1) > 0.002)
        #expect(DamageCurve([(0.01, 0), (0.1, 0)])(0.5) == 0)
        #expect(abs(DamageCurve([(0.01, 0), (0.1, 0.3)])(0.05) - 0.15) < 1e-12)
    }

    @Test func contextualCoefficientsAreQuotientsWithinBounds() {
        let bound = ContextualRefinement.bound
        let found = ContextualRefinement.coefficients([36, -10, 2, 20], [8, 8, 0, 8])
        // Together the model says twice as much as the estimates.
        #expect(found.map { $0 / 2 } == [1.5, 1 / bound, 1, (20.0 / 16).squareRoot()])
        #expect(ContextualRefinement.coefficients([0, 0], [1, 1]) == [1, 1])
    }
}
