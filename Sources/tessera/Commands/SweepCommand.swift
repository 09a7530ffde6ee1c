import Analysis
import ArgumentParser
import Compression
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

struct SweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep",
        abstract: "Compresses a model to several sizes and shows what each of them costs.",
        discussion: """
            The model is calibrated once and candidates are fitted once; every size is then a choice among them. For each: \
            the plan, the quality with standard errors, the bytes of the whole model and its speed, timed in turns with the \
            dense model. Beside them the fronts of single families, from the same candidates, and of the simplest methods \
            (controls). The folder holds sweep.json, sweep.html with the fronts drawn, and a plan for every point, from \
            which 'compress --plan' makes the model.

            A point that is done is recorded beside the output: a sweep that was stopped continues when it is started again.

            Quality is measured on --sts (encoders: scored pairs) or --text, else on text held out of the calibration's. A \
            text of which more than 1 % is in the calibration's is refused.

            Examples:
              tessera sweep minilm --sizes 75%,50%,25%,12% --calibration sentences.txt --sts pairs.csv -o minilm-sweep
              tessera compress minilm --plan minilm-sweep/plan-25.json -o minilm-quarter
              tessera sweep llama --macs 70%,50% --calibration self --text prose.txt -o llama-sweep
            """)

    @Argument(help: "The model folder.")
    var model: String

    @Option(help: ArgumentHelp(
        "Budgets in bytes, shares of f16 separated by commas (default, without other budgets: \(defaultSizes)).",
        valueName: "shares"))
    var sizes: String?

    @Option(help: ArgumentHelp("Budgets in multiply-adds, shares of the dense ones separated by commas.", valueName: "shares"))
    var macs: String?

    @Option(help: ArgumentHelp("Budgets in time, shares of the dense model's separated by commas.", valueName: "shares"))
    var latency: String?

    @OptionGroup var timing: LatencyOptions

    @Option(help: ArgumentHelp("Calibration text: a file (encoders: one sentence a line), or 'self'.", valueName: "file|self"))
    var calibration: String

    @OptionGroup var evaluation: EvaluationOptions

    @Option(name: [.short, .long], help: ArgumentHelp("The folder to write.", valueName: "folder"))
    var output: String

    @Option(help: ArgumentHelp(
        "Families to draw a front of by themselves, separated by commas, or 'none'.", valueName: "names"))
    var fronts: String = SweepJob.defaultFronts.joined(separator: ",")

    @Flag(inversion: .prefixedNo, help: "The simplest methods at every size.")
    var controls = true

    @Option(help: ArgumentHelp("Batches to time every point at, separated by commas, or 'none'.", valueName: "numbers"))
    var timed: String = "1,64"

    @OptionGroup var choice: RecipeOptions

    @Flag(help: "Replace an output folder that exists.")
    var force = false

    @OptionGroup var common: CommonOptions

    private static let defaultSizes = "75%,50%,35%,25%,18%,12%"

    func validate() throws {
        guard !output.isEmpty else { throw ValidationError("--output: expected a path, got none") }
        try timing.check(for: latency)
        for (text, option) in [(sizes, "--sizes"), (macs, "--macs"), (latency, "--latency")] {
            _ = try CommaSeparated.names(text, option: option)
        }
        _ = try CommaSeparated.names(fronts, option: "--fronts")
        _ = try batches
    }

    func run() throws {
        let loaded = try LoadedModel.open(model)
        let display = ProgressDisplay(quiet: common.quiet)
        let budgets = try budgets
        var job = SweepJob(
            model: model, output: outputPath,
            recipe: try choice.recipe([budgets[0]], batch: timing.batch),
            budgets: budgets, calibration: CalibrationSource(calibration),
            evaluation: try evaluation.read(for: loaded, command: "sweep"), context: common.context,
            progress: { display($0) })
        job.recipe.rewrites = .automatic
        job.scope = choice.scope
        job.memoryLimit = try choice.memoryLimit
        job.fronts = fronts == "none" ? [] : try CommaSeparated.names(fronts, option: "--fronts")
        job.controls = controls ? ControlMethod.allCases : []
        job.batches = try batches
        job.allowsOverlap = evaluation.allowOverlap
        job.latencyTable = timing.table
        job.replacesOutput = force
        let results = try job.run()
        let seconds = display.finish().reduce(0) { $0 + $1.seconds }
        if common.json {
            try StandardOutput.write(results.json)
        } else {
            try StandardOutput.write(results.text + "page: \(outputPath)/sweep.html\n")
        }
        if !common.quiet { standardError("done in \(FigureText.fixed(seconds, decimals: 1)) s\n") }
    }

    /// Without trailing slashes, so that siblings can be named after it.
    private var outputPath: String {
        var path = output
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }

    /// Every point, each share of a quantity once.
    private var budgets: [Budget] {
        get throws {
            let sizes = sizes ?? (macs == nil && latency == nil ? Self.defaultSizes : nil)
            var found: [Budget] = []
            for (text, option, quantity) in [
                (sizes, "--sizes", Budget.Quantity.bytes), (macs, "--macs", .multiplyAdds), (latency, "--latency", .latency),
            ] {
                for share in try CommaSeparated.names(text, option: option) {
                    let budget = try Budget(share, quantity: quantity)
                    if !found.contains(budget) { found.append(budget) }
                }
            }
            return found
        }
    }

    private var batches: [Int] {
        get throws {
            timed == "none" ? [] : try CommaSeparated.integers(timed, in: 1...BatchSizes.largest, option: "--timed")
        }
    }
}
