import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Every choice that fixes what a compression produces. The same recipe on the same model and calibration
/// text (and the same table of latencies, where that is a budget) gives the same bytes.
public struct Recipe: Sendable, Equatable {
    /// One or two, of different quantities.
    public var budgets: [Budget]
    /// Texts or sentences that a latency budget is for.
    public var batch: Int
    public var selection: MatrixSelection
    /// Family names to choose among; empty means all that serve the budget.
    public var families: [String]
    /// Names of the strategies that share the budget out; empty means those that are tried by default.
    public var allocators: [String] = []
    public var objective: Objective.Kind
    /// Those that calibration serves; Fisher weights need gradients.
    public static let objectives: [Objective.Kind] = [.activations, .frobenius]
    /// How factors (and matrices kept dense) are stored.
    public var precision: Precision
    public var seed: UInt64
    /// What wins quality back after the choice; every step is kept only where it does. Nil takes what suits the budgets.
    public var recovery: [RecoveryStep]?
    var recoverySteps: [RecoveryStep] { recovery ?? RecoveryStep.standard(for: budgets) }
    /// How far coupled matrices may be narrowed before the choice; the level is kept only where it helps.
    public var rewrites = NarrowingLevels.none

    /// - Precondition: one or two budgets, not of the same quantity.
    public init(
        budgets: [Budget], batch: Int = 1, selection: MatrixSelection = MatrixSelection(),
        families: [String] = [],
        objective: Objective.Kind = .activations, precision: Precision = .f16, seed: UInt64 = 0
    ) {
        precondition(
            (1...2).contains(budgets.count) && Set(budgets.map { $0.quantity }).count == budgets.count)
        self.budgets = budgets
        self.batch = batch
        self.selection = selection
        self.families = families
        self.objective = objective
        self.precision = precision
        self.seed = seed
    }

    public init(
        budget: Budget, batch: Int = 1, selection: MatrixSelection = MatrixSelection(),
        families: [String] = [],
        objective: Objective.Kind = .activations, precision: Precision = .f16, seed: UInt64 = 0
    ) {
        self.init(
            budgets: [budget], batch: batch, selection: selection, families: families, objective: objective,
            precision: precision, seed: seed)
    }

    /// The budget that candidates are ordered by.
    public var budget: Budget { budgets[0] }
    public var latencyBudget: Budget? { budgets.first { $0.quantity == .latency } }
    var countsBytes: Bool { budgets.contains { $0.quantity == .bytes } }

    /// The sources that can lower any of the budgets' quantities, dense among them; where none are named, those that suit
    /// the model.
    /// - Throws: `CompressionError.unknownFamily`.
    func sources(for model: any TransformerModel) throws -> [any CandidateSource] {
        // Where time counts, what is tried by default is what may save time.
        let quantities = latencyBudget == nil ? budgets.map(\.quantity) : [.latency]
        let inBatches = model is any EncoderModel
        return try CandidateSources.named(families, quantities: quantities, inBatches: inBatches).filter { source in
            budgets.contains { source.serves($0.quantity) }
        }
    }

    /// What `allocators` may hold.
    public static var allocatorNames: [String] { AllocationStrategies.names }

    /// Refuses names that no strategy has.
    /// - Throws: `CompressionError.unknownAllocator`.
    func checkAllocators() throws { _ = try AllocationStrategies.named(allocators) }

    /// Name and value, for fingerprints, plans and reports.
    public var properties: [(name: String, value: String)] {
        let shares = budgets.map {
            "\(($0.fraction * 100_000).rounded() / 1000) % of \($0.quantity.rawValue)"
        }
        return [
            ("budget", shares.joined(separator: " and ")),
            ("batch", latencyBudget == nil ? "" : String(batch)),
            ("scope", selection.scope.rawValue),
            ("only", selection.only.joined(separator: " ")),
            ("except", selection.except.joined(separator: " ")),
            ("families", families.isEmpty ? "all" : families.joined(separator: " ")),
            ("allocators", allocators.joined(separator: " ")),
            ("objective", objective.rawValue),
            ("precision", precision.rawValue),
            ("seed", String(seed)),
            ("recovery", RecoveryStep.text(recoverySteps)),
            ("rewrites", rewrites.text),
        ].filter { !$0.1.isEmpty }
    }
}
