import ArgumentParser
import Compression
import Fitting
import Tensors

/// What a choice for every matrix is made of, whatever it is given to keep within: the options of all commands that make one.
struct RecipeOptions: ParsableArguments {
    @Option(help: ArgumentHelp(
        "Families to choose among, separated by commas: \(CandidateSources.names.joined(separator: ", ")).",
        valueName: "names"))
    var families: String?

    @Option(help: ArgumentHelp(
        "Ways to share the budget out to try, separated by commas: \(Recipe.allocatorNames.joined(separator: ", ")).",
        valueName: "names"))
    var allocator: String?

    @Option(help: ArgumentHelp("What counts as close: activations or frobenius.", valueName: "objective"))
    var objective: String = Self.defaultObjective

    @Option(help: ArgumentHelp(
        "Which matrices: all (embedding tables too; default for budgets in bytes) or linear (the layers; default otherwise).",
        valueName: "scope"))
    var scope: MatrixSelection.Scope?

    @Option(help: ArgumentHelp("Only matrices whose name matches (* and ?); may be repeated.", valueName: "pattern"))
    var only: [String] = []

    @Option(help: ArgumentHelp("Not the matrices whose name matches; may be repeated.", valueName: "pattern"))
    var except: [String] = []

    @Option(help: ArgumentHelp("How factors are stored: f16, bf16 or f32.", valueName: "precision"))
    var precision: Precision = .f16

    @Option(help: "Seed of every random choice.")
    var seed: UInt64 = 0

    @Option(help: ArgumentHelp(
        "What wins quality back after the choice, each kept only where it does: auto, none or some of "
            + "\(RecoveryStep.allCases.map(\.rawValue).joined(separator: ", ")) (default: "
            + "\(RecoveryStep.standardText); with --plan, what it says).",
        valueName: "steps"))
    var recovery: String?

    @Option(help: ArgumentHelp("Memory to keep within where possible: 800M, 12G (default: half of it).", valueName: "bytes"))
    var memory: String?

    static let defaultObjective = Objective.Kind.activations.rawValue

    /// The first option that was given, of those that make a choice another than usual; nil where none was.
    var given: String? {
        [
            ("--families", families != nil), ("--allocator", allocator != nil), ("--objective", objective != Self.defaultObjective),
            ("--scope", scope != nil), ("--only", !only.isEmpty), ("--except", !except.isEmpty),
            ("--precision", precision != .f16), ("--recovery", recovery != nil), ("--memory", memory != nil),
        ].first { $0.1 }?.0
    }

    func validate() throws {
        _ = try CommaSeparated.names(families, option: "--families")
        _ = try CommaSeparated.names(allocator, option: "--allocator")
        _ = try objectiveKind
    }

    private var objectiveKind: Objective.Kind {
        get throws {
            guard let kind = Recipe.objectives.first(where: { $0.rawValue == objective }) else {
                let known = Recipe.objectives.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--objective: expected one of \(known), got '\(objective)'")
            }
            return kind
        }
    }

    /// - Parameter budgets: none where a plan says what to keep.
    /// - Throws: `CompressionError.unknownRecovery`.
    func recipe(_ budgets: [Budget], batch: Int?) throws -> Recipe {
        var recipe = Recipe(
            budgets: budgets.isEmpty ? [Budget(quantity: .bytes, fraction: 1)] : budgets, batch: batch ?? 1,
            selection: MatrixSelection(
                scope: scope ?? .standard(for: budgets.map(\.quantity)), only: only, except: except),
            families: try CommaSeparated.names(families, option: "--families"), objective: try objectiveKind,
            precision: precision, seed: seed)
        recipe.allocators = try CommaSeparated.names(allocator, option: "--allocator")
        recipe.recovery = try recovery.map(RecoveryStep.named)
        return recipe
    }

    /// Bytes.
    /// - Throws: `CompressionError.invalidMemory`.
    var memoryLimit: Int? { get throws { try memory.map(WorkingMemory.bytes) } }
}

extension MatrixSelection.Scope: ExpressibleByArgument {}
