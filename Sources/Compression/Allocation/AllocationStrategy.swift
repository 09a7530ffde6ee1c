/// A way to share a budget out among the matrices. Which one suits a model is measured, not believed: each gives an
/// allocation, and the one whose model is closest to the original on held-out text is kept.
protocol AllocationStrategy: Sendable {
    /// What `--allocator`, plans and reports call it.
    var name: String { get }
    /// One clause for help and documents.
    var summary: String { get }
    /// Where it is from.
    var source: String { get }
    /// Whether it is tried without being asked for.
    var isDefault: Bool { get }

    /// A choice for every matrix within the budgets, and the damages it was solved with; nil where the strategy has
    /// nothing to say of this model or cannot meet the budgets in its own way.
    /// - Throws: `CompressionError`, and what fitting and measuring throw.
    func allocate(_ problem: AllocationProblem) throws -> AllocationAnswer?
}

/// What a strategy says.
struct AllocationAnswer: Sendable {
    /// For each matrix, the index of its candidate.
    let choices: [Int]
    /// Estimated harm of every candidate of every matrix: what a search for a better allocation starts from.
    let damages: [[Double]]
    /// How far above the optimum of its table the answer may be, relative to it; nil where nothing is minimised.
    let gap: Double?
}

/// A strategy that estimates the harm of every candidate; the knapsack does the rest.
protocol DamageStrategy: AllocationStrategy {
    /// For each matrix, for each of its candidates, in any unit common to all; additive over matrices.
    func damages(_ problem: AllocationProblem) throws -> [[Double]]?
}

extension DamageStrategy {
    func allocate(_ problem: AllocationProblem) throws -> AllocationAnswer? {
        guard let damages = try damages(problem) else { return nil }
        return try problem.solve(damages)
    }
}

/// A strategy that only says which matrices deserve a larger share of their dense size: how large is what the budgets leave,
/// and within its share every matrix takes the candidate with the least error.
protocol ShareStrategy: AllocationStrategy {
    func shares(_ problem: AllocationProblem) throws -> ShareAllocation?
}

extension ShareStrategy {
    func allocate(_ problem: AllocationProblem) throws -> AllocationAnswer? {
        guard let choices = try shares(problem)?.choices(problem.choices(problem.relativeErrors), problem.limits)
        else { return nil }
        return AllocationAnswer(choices: choices, damages: problem.relativeErrors, gap: nil)
    }
}

/// A strategy that betters an allocation there is already, by measuring the model.
protocol AllocationRefinement: Sendable {
    var name: String { get }
    var summary: String { get }
    var source: String { get }
    var isDefault: Bool { get }

    /// Allocations that are closer to the original on the sample than `start`, each than the one before; none where nothing
    /// closer was found. Which of them are closer on other text is for the caller to measure: the last fits the sample best.
    /// - Parameter progress: told after each measurement how many were made, and how many are made at most.
    func improve(
        _ start: AllocationAnswer, _ problem: AllocationProblem, progress: (_ done: Int, _ total: Int) -> Void
    ) throws -> [AllocationAnswer]
}

/// All there are.
enum AllocationStrategies {
    static let all: [any AllocationStrategy] = [
        MeasuredSensitivityStrategy(.asMeasured), MeasuredSensitivityStrategy(.squareRoot), RelativeErrorStrategy(),
        DamageCurveStrategy(), SecondOrderStrategy(), AbsoluteErrorStrategy(), SpectralThresholdStrategy(),
        HeavyTailStrategy(), BlockInfluenceStrategy(),
    ]

    /// In the order they are made in, each starting from the best allocation so far.
    static let refinements: [any AllocationRefinement] = [ContextualRefinement(), CoefficientRefinement()]

    static var names: [String] { all.map(\.name) + refinements.map(\.name) }

    /// Those of the given names; for an empty list those that are tried by default. A refinement alone starts from the
    /// first strategy.
    /// - Throws: `CompressionError.unknownAllocator`.
    static func named(_ names: [String]) throws -> (
        strategies: [any AllocationStrategy], refinements: [any AllocationRefinement]
    ) {
        for name in names where !self.names.contains(name) {
            throw CompressionError.unknownAllocator(name: name, known: self.names)
        }
        guard !names.isEmpty else { return (all.filter(\.isDefault), refinements.filter(\.isDefault)) }
        let strategies = all.filter { names.contains($0.name) }
        return (strategies.isEmpty ? [all[0]] : strategies, refinements.filter { names.contains($0.name) })
    }
}
