import Compression
import Tensors

/// A recipe applied to a model, as 'recipe run' and 'compress --recipe' do.
struct RecipeRun {
    let recipe: NamedRecipe
    let model: String
    let output: String
    let calibration: CalibrationSource?
    /// A file of Fisher weights.
    var fisher: String?
    let seed: UInt64
    let replacesOutput: Bool
    let common: CommonOptions

    /// Writes the folder, then what became of the model to standard output.
    /// - Throws: what the recipe's job throws; `CommandError.conflictingOptions`.
    func run() throws {
        switch recipe {
        case .method(let recipe): try fit(recipe)
        case .rewrite(let recipe): try narrow(recipe)
        }
    }

    private func fit(_ recipe: MethodRecipe) throws {
        let display = ProgressDisplay(quiet: common.quiet)
        var job = RecipeJob(
            model: model, output: output, recipe: recipe, calibration: calibration,
            fisher: try fisher.map { try FisherArchive(file: $0) }, seed: seed, context: common.context,
            progress: { display($0) })
        job.replacesOutput = replacesOutput
        let outcome = try job.run()
        _ = display.finish()
        if !common.quiet {
            standardError("fitted in \(FigureText.fixed(outcome.fits.seconds, decimals: 1)) s\n")
        }
        if common.json { try StandardOutput.write(outcome.json) } else { try StandardOutput.write(outcome.text) }
    }

    private func narrow(_ recipe: RewriteRecipe) throws {
        guard fisher == nil else {
            throw CommandError.conflictingOptions("--fisher: \(recipe.name) has no use for Fisher weights")
        }
        let display = ProgressDisplay(quiet: common.quiet)
        var job = RewriteJob(
            model: model, output: output, recipe: recipe, calibration: calibration, seed: seed, context: common.context,
            progress: { display($0) })
        job.replacesOutput = replacesOutput
        let outcome = try job.run()
        _ = display.finish()
        if common.json { try StandardOutput.write(outcome.json) } else { try StandardOutput.write(outcome.text) }
    }
}
