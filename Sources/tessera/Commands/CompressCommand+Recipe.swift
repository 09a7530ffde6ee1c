import ArgumentParser
import Communication
import Compression
import Tensors

/// 'compress --recipe NAME': one method as its paper has it, in place of a choice for every matrix.
extension CompressCommand {
    static let automaticRecipe = "auto"

    /// Refuses what a recipe fixes itself.
    func validateRecipe() throws {
        let fixed: [(String, Bool)] = [
            ("--macs", macs != nil), (timing.given ?? "", timing.given != nil),
            (choice.given ?? "", choice.given != nil), ("--rewrites", rewrites != Self.defaultRewrites),
            ("--plan-only", planOnly), ("--plan", plan != nil), ("--without-calibration", withoutCalibration),
            ("--dry-run", dryRun),
        ]
        if let given = fixed.first(where: { $0.1 }) {
            throw ValidationError("\(given.0) is for --recipe auto: '\(recipe)' fixes all but its size")
        }
        if size != nil, latency != nil { throw ValidationError("--recipe \(recipe) takes one size, got --size, --latency") }
        if output == nil { throw ValidationError("--output is needed") }
    }

    /// - Throws: as `RecipeRun.run`; `CommandError.conflictingOptions` for a size in what the recipe does not count.
    func runRecipe() throws {
        guard !MPICommunicator.isAskedFor else {
            throw CommandError.conflictingOptions("--recipe \(recipe): one process does the work; several share that of --recipe auto")
        }
        var chosen = try NamedRecipe(recipe)
        if let other = chosen.countsTime ? size : latency {
            let (wanted, got) = chosen.countsTime ? ("--latency", "--size") : ("--size", "--latency")
            let counted = chosen.countsTime ? "the dense model's time" : "the parameters that it touches"
            throw CommandError.conflictingOptions("\(got) \(other): \(chosen.name) counts \(counted): say \(wanted) \(other)")
        }
        if let share = size ?? latency { chosen = try chosen.sized(share) }
        try RecipeRun(
            recipe: chosen, model: model, output: outputPath, calibration: source, seed: choice.seed, replacesOutput: force,
            common: common
        ).run()
    }
}
