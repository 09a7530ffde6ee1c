import Fitting
import StructuredMatrices
import Tensors

/// Every choice that fixes what a compression produces. The same recipe on the same model and calibration text
/// gives the same bytes.
public struct Recipe: Sendable, Equatable {
    public var budget: Budget
    public var selection: MatrixSelection
    /// Family names to choose among; empty means all that serve the budget.
    public var families: [String]
    public var objective: Objective.Kind
    /// How factors (and matrices kept dense) are stored.
    public var precision: Precision
    public var seed: UInt64

    public init(
        budget: Budget, selection: MatrixSelection = MatrixSelection(), families: [String] = [],
        objective: Objective.Kind = .activations, precision: Precision = .f16, seed: UInt64 = 0
    ) {
        self.budget = budget
        self.selection = selection
        self.families = families
        self.objective = objective
        self.precision = precision
        self.seed = seed
    }

    /// Name and value, for fingerprints, plans and reports.
    public var properties: [(name: String, value: String)] {
        let percent = (budget.fraction * 100_000).rounded() / 1000
        return [
            ("budget", "\(percent) % of \(budget.quantity.rawValue)"),
            ("scope", selection.scope.rawValue),
            ("only", selection.only.joined(separator: " ")),
            ("except", selection.except.joined(separator: " ")),
            ("families", families.isEmpty ? "all" : families.joined(separator: " ")),
            ("objective", objective.rawValue),
            ("precision", precision.rawValue),
            ("seed", String(seed)),
        ].filter { !$0.1.isEmpty }
    }
}
