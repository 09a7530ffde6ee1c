import ArgumentParser
import Compression
import Tensors

struct RecipeRunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Fits a model's linear matrices by a recipe and writes the folder.",
        discussion: """
            Embedding tables stay as they are. Recipes that narrow coupled matrices ('tessera recipe list') take --size as a \
            share of the parameters that they touch. The folder appears only when it is complete; beside the weights it holds \
            the recipe and the error of every matrix (recipe.yaml, report.json).

            Example:
              tessera recipe run svd-llm MODEL --size 60% --calibration sentences.txt -o SMALL
            """)

    @Argument(help: ArgumentHelp("A recipe that ships, or a YAML file.", valueName: "recipe"))
    var recipe: String

    @Argument(help: "The model folder.")
    var model: String

    @Option(name: [.short, .long], help: ArgumentHelp("The folder to write.", valueName: "folder"))
    var output: String

    @Option(help: ArgumentHelp("Another size than the recipe's, a share of the dense matrices.", valueName: "share"))
    var size: String?

    @Option(help: ArgumentHelp("What --size is a share of: bytes (of f16), parameters or multiply-adds.", valueName: "quantity"))
    var by = SizeShare.Quantity.parameters

    @Option(help: ArgumentHelp("Calibration text: a file (encoders: one sentence a line), or 'self'.", valueName: "file|self"))
    var calibration: String?

    @Option(help: ArgumentHelp(
        "Fisher weights, a NumPy archive with MATRIX.rows and MATRIX.columns for every matrix.", valueName: "file.npz"))
    var fisher: String?

    @Option(help: "Seed of every random choice.")
    var seed: UInt64 = 0

    @Flag(help: "Replace an output folder that exists.")
    var force = false

    @OptionGroup var common: CommonOptions

    func run() throws {
        if let narrowing = try RewriteRecipes.recipe(recipe) { return try narrow(narrowing) }
        var chosen = try MethodRecipes.named(recipe)
        if let size { chosen = try chosen.sized(try SizeShare(size, of: by)) }
        let display = ProgressDisplay(quiet: common.quiet)
        var job = RecipeJob(
            model: model, output: output, recipe: chosen, calibration: calibration.map { $0 == "self" ? .own : .file($0) },
            fisher: try fisher.map { try FisherArchive(file: $0) }, seed: seed, context: common.context, progress: { display($0) })
        job.replacesOutput = force
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
        let chosen = try size.map { recipe.sized(try Budget($0, quantity: .bytes).fraction) } ?? recipe
        let display = ProgressDisplay(quiet: common.quiet)
        var job = RewriteJob(
            model: model, output: output, recipe: chosen, calibration: calibration.map { $0 == "self" ? .own : .file($0) },
            seed: seed, context: common.context, progress: { display($0) })
        job.replacesOutput = force
        let outcome = try job.run()
        _ = display.finish()
        if common.json { try StandardOutput.write(outcome.json) } else { try StandardOutput.write(outcome.text) }
    }
}
