import ArgumentParser
import Compression
import Foundation
import ModelFiles
import Tensors
import Transformers

struct BenchRewritesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rewrites",
        abstract: "Narrows a model by every recipe that changes several matrices at once.",
        discussion: """
            Shares are of the parameters that a recipe touches; the true size of the whole model stands beside them. For \
            every row: the figures of 'eval' with standard errors, parameters, the time over the dense model's. The file \
            is written after every row; started again, the command measures what it lacks.

            Example:
              tessera bench rewrites minilm --calibration sentences.txt --sts pairs.csv -o Results/rewrites.json
            """)

    @Argument(help: "The model folder.")
    var model: String

    @Option(name: [.short, .long], help: ArgumentHelp("The file of results, read first where it is there.", valueName: "file"))
    var output: String

    @OptionGroup var evaluation: EvaluationOptions

    @Option(help: ArgumentHelp("Calibration text: a file (encoders: one sentence a line), or 'self'.", valueName: "file|self"))
    var calibration: String = "self"

    @Option(help: ArgumentHelp("Shares separated by commas.", valueName: "shares"))
    var size: String = "90%,80%,70%,50%"

    @Option(help: ArgumentHelp("Only these recipes, separated by commas.", valueName: "names"))
    var recipes: String?

    @Option(help: ArgumentHelp("What the program was built from, for the rows.", valueName: "text"))
    var commit = ""

    @Option(help: "Seed of every random choice.")
    var seed: UInt64 = 0

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard evaluation.text != nil || evaluation.sts != nil else {
            throw ValidationError("bench rewrites: expected --text FILE or --sts FILE")
        }
        _ = try CommaSeparated.names(size, option: "--size")
        _ = try CommaSeparated.names(recipes, option: "--recipes")
    }

    func run() throws {
        let loaded = try LoadedModel.open(model)
        guard let text = try evaluation.read(for: loaded, command: "bench rewrites") else { return }
        let display = ProgressDisplay(quiet: common.quiet)
        let names = try CommaSeparated.names(recipes, option: "--recipes")
        let study = RewriteStudy(
            model: model, calibration: CalibrationSource(calibration), evaluation: text,
            recipes: try names.isEmpty ? RewriteRecipes.all() : RewriteRecipes.named(names),
            shares: try CommaSeparated.names(size, option: "--size").map { try Budget($0, quantity: .bytes).fraction },
            commit: commit, seed: seed, output: output, context: common.context, progress: { display($0) })
        let results = try study.run()
        _ = display.finish()
        if common.json { try StandardOutput.write(results.json) } else { try StandardOutput.write(results.text) }
    }
}
