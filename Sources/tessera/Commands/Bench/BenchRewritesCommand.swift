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
            every row: the figures of 'eval' with standard errors, parameters, the time over the dense model's at batch 1 \
            and 64. Recipes for single matrices are applied to feed-forward networks alone, as controls for what narrows \
            these (svd-llm is always there): what is better at equal time shows where the columns of times agree. The file \
            is written after every row; started again, the command measures what it lacks.

            Example:
              tessera bench rewrites minilm --calibration sentences.txt --sts pairs.csv -o Results/rewrites.json
            """)

    @Argument(help: "The model folder.")
    var model: String

    @OptionGroup var study: StudyOptions

    @Option(help: ArgumentHelp("Shares separated by commas.", valueName: "shares"))
    var size: String = "90%,80%,70%,50%"

    @Option(help: ArgumentHelp("Only these recipes, separated by commas.", valueName: "names"))
    var recipes: String?

    @OptionGroup var common: CommonOptions

    func validate() throws {
        try study.checkEvaluation("bench rewrites")
        _ = try CommaSeparated.names(size, option: "--size")
        _ = try CommaSeparated.names(recipes, option: "--recipes")
    }

    func run() throws {
        let loaded = try LoadedModel.open(model)
        guard let text = try study.evaluation.read(for: loaded, command: "bench rewrites") else { return }
        let display = ProgressDisplay(quiet: common.quiet)
        let names = try CommaSeparated.names(recipes, option: "--recipes")
        var job = RewriteStudy(
            model: model, calibration: study.source, evaluation: text,
            recipes: try names.isEmpty ? NamedRecipe.ofRewriteStudy() : names.map { try NamedRecipe($0) },
            shares: try CommaSeparated.names(size, option: "--size").map { try Budget($0, quantity: .bytes).fraction },
            commit: study.commit, seed: study.seed, output: study.output, context: common.context, progress: { display($0) })
        job.allowsOverlap = study.evaluation.allowOverlap
        let results = try job.run()
        _ = display.finish()
        if common.json { try StandardOutput.write(results.json) } else { try StandardOutput.write(results.text) }
    }
}
