import ArgumentParser
import Compression
import Tensors

struct RecipeRunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Fits a model's linear matrices by a recipe and writes the folder.",
        discussion: """
            Embedding tables stay as they are. --size is a share of the matrices that the recipe touches: all linear ones, \
            or those that it narrows; ziplm's is of the dense model's time. 'compress --recipe' does the same. The folder \
            appears only when it is complete; beside the weights it holds the recipe and what became of every matrix \
            (recipe.yaml, report.json).

            Example:
              tessera recipe run svd-llm MODEL --size 60% --calibration sentences.txt -o SMALL
            """)

    @Argument(help: ArgumentHelp("A recipe that ships, or a YAML file.", valueName: "recipe"))
    var recipe: String

    @Argument(help: "The model folder.")
    var model: String

    @Option(name: [.short, .long], help: ArgumentHelp("The folder to write.", valueName: "folder"))
    var output: String

    @Option(help: ArgumentHelp("Another size than the recipe's, a share of the matrices that it touches.", valueName: "share"))
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
        var chosen = try NamedRecipe(recipe)
        if let size { chosen = try chosen.sized(size, of: by) }
        try RecipeRun(
            recipe: chosen, model: model, output: output, calibration: calibration.map { CalibrationSource($0) },
            fisher: fisher, seed: seed, replacesOutput: force, common: common
        ).run()
    }
}
