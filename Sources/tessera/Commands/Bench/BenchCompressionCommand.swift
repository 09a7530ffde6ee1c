import ArgumentParser
import Compression
import Fitting
import Foundation
import ModelFiles
import Tensors
import Transformers

struct BenchCompressionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compression",
        abstract: "Compresses a whole model to several sizes by every method there is and by the mix that compress chooses.",
        discussion: """
            Sizes are shares of all the model's numbers in f16, tables too. "auto" is what 'compress --scope all' chooses; a \
            single method fits every linear layer to the same share of its bytes, and tables are rounded to nearest at the \
            matching bits. --macs budgets are of the layers; tables stay, "auto" has no quantization then. For every row: \
            the figures of 'eval' with standard errors, bytes, seconds, date, processor and commit.

            The file of results is written after every row, the most important rows first. Started again, the command \
            measures what the file lacks; what a method refuses is a row with its reason. One file may hold several models. \
            What the sizes of "auto" share is kept in FILE.journal, which may be removed when all is done.

            --markdown prints the tables of a file and measures nothing.

            Example:
              tessera bench compression minilm --calibration sentences.txt --sts pairs.csv -o Results/compression.json
              tessera bench compression --markdown -o Results/compression.json
            """)

    @Argument(help: "The model folder.")
    var model: String?

    @OptionGroup var study: StudyOptions

    @Option(help: ArgumentHelp("Sizes for every method and for auto, shares of f16 separated by commas.", valueName: "shares"))
    var size: String = "75%,50%,35%,25%,18%,12%"

    @Option(help: ArgumentHelp("More sizes, for auto alone, measured before the others.", valueName: "shares"))
    var autoSize: String?

    @Option(help: ArgumentHelp("Budgets in multiply-adds of the layers, for auto and for --macs-fitters.", valueName: "shares"))
    var macs: String?

    @Option(help: ArgumentHelp("What is measured beside auto at --macs.", valueName: "names"))
    var macsFitters: String = "activation-svd,nm-sparsegpt"

    @Option(help: ArgumentHelp("Only these fitters, separated by commas, or 'none'.", valueName: "names"))
    var fitters: String?

    @Option(help: ArgumentHelp("Seconds a method's fits may take for one row.", valueName: "n"))
    var rowSeconds = 120.0

    @Option(help: ArgumentHelp("Begin no row after so many minutes.", valueName: "n"))
    var minutes: Double?

    @Option(help: ArgumentHelp("How factors are stored: f16, bf16 or f32.", valueName: "precision"))
    var precision: Precision = .f16

    @Flag(help: "Print the tables of the file as Markdown.")
    var markdown = false

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard !markdown else {
            if model != nil { throw ValidationError("--markdown: prints a file's tables, without a model") }
            return
        }
        guard model != nil else { throw ValidationError("Missing expected argument '<model>'") }
        try study.checkEvaluation("bench compression")
        for (text, option) in [
            (size, "--size"), (autoSize, "--auto-size"), (macs, "--macs"), (macsFitters, "--macs-fitters"),
            (fitters, "--fitters"),
        ] { _ = try CommaSeparated.names(text, option: option) }
        for (value, option) in [(rowSeconds, "--row-seconds"), (minutes ?? 1, "--minutes")] where !(value > 0 && value.isFinite) {
            throw ValidationError("\(option): expected a number above 0, got \(value)")
        }
    }

    func run() throws {
        guard let model else {
            for results in try CompressionResults.all(study.output) { try StandardOutput.write(results.markdown + "\n") }
            return
        }
        let loaded = try LoadedModel.open(model)
        guard let text = try study.evaluation.read(for: loaded, command: "bench compression") else { return }
        let display = ProgressDisplay(quiet: common.quiet)
        func budgets(_ text: String?, _ option: String, _ quantity: Budget.Quantity) throws -> [Budget] {
            try CommaSeparated.names(text, option: option).map { try Budget($0, quantity: quantity) }
        }
        let (sizes, more, macs) = (
            try budgets(size, "--size", .bytes), try budgets(autoSize, "--auto-size", .bytes),
            try budgets(macs, "--macs", .multiplyAdds)
        )
        var singles = [
            (methods: try SizedMethod.named(fitters: CommaSeparated.names(macsFitters, option: "--macs-fitters")), budgets: macs)
        ]
        if fitters != "none" {
            let names = try CommaSeparated.names(fitters, option: "--fitters")
            singles.append((methods: try SizedMethod.named(fitters: names), budgets: sizes))
        }
        var job = CompressionStudy(
            model: model, calibration: study.source, evaluation: text,
            budgets: more + macs + sizes.filter { !more.contains($0) }, singles: singles, secondsPerRow: rowSeconds,
            seconds: minutes.map { 60 * $0 } ?? .infinity, commit: study.commit, precision: precision, seed: study.seed,
            output: study.output, context: common.context, progress: { display($0) })
        job.allowsOverlap = study.evaluation.allowOverlap
        let results = try job.run()
        _ = display.finish()
        if common.json { try StandardOutput.write(results.json) } else { try StandardOutput.write(results.text) }
    }
}
