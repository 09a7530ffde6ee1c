import ArgumentParser
import Benchmarking
import Communication
import Compression
import Fitting
import Foundation
import ModelFiles
import Synchronization
import Tensors

struct CompressCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compress",
        abstract: "Compresses a model's matrices under one budget and writes a model folder with a report.",
        discussion: """
            For every matrix, candidates of each family and size are fitted, the harm of each to the model's output is \
            estimated, and the mix with the least harm within the budget is kept. Work is journaled beside the output: a \
            run that was stopped continues when it is started again, and ends with the same bytes.

            Sizes: 50% of bytes means the whole file over all its numbers in f16, embedding tables included; with --scope \
            linear or --only, everything stored for the matrices that take part over the same matrices in f16. Latency: 0.6x means 60 % of the time the dense model \
            takes on this machine for one token (causal models) or one batch of sentences (encoders); products are timed \
            where the table of this machine lacks them, and the compressed model is timed before it is written. Two \
            budgets may be given; both are kept.

            With --recipe NAME one method is applied as its paper has it, and --size means a share of the parameters in the \
            matrices that the recipe touches (all linear ones, or those that it narrows), whatever that makes of the file: \
            the report tells its true bytes. Recipes that count time take --latency.

            Before the choice a model may be narrowed: heads' widths and neurons that others can stand for go from all matrices \
            they belong to, as far as that leaves outputs closer to the original's on held-out text. That is done under --macs, \
            and at other levels where --rewrites says so. It takes two to four times as long; --rewrites none leaves it out.

            Models larger than memory: where --memory is less than keeping everything takes, weights are read from the \
            files block by block. Several processes share the work under Open MPI's mpirun, and write the same bytes.

            Examples:
              tessera compress minilm --macs 50% --calibration sentences.txt -o minilm-half
              tessera compress minilm --size 25% --calibration self -o minilm-quarter
              tessera compress minilm --latency 0.6x --batch 64 --calibration self -o minilm-fast
              tessera compress minilm --recipe modegpt --size 70% --calibration self -o minilm-narrow
              tessera compress llama --size 30% --families quantized,low-rank --calibration self -o small --plan-only
            """)

    @Argument(help: "The model folder.")
    var model: String

    @Option(help: ArgumentHelp(
        "A recipe that ships ('tessera recipe list') or a YAML file, in place of auto, the choice for every matrix.",
        valueName: "name"))
    var recipe = Self.automaticRecipe

    @Option(help: ArgumentHelp(
        "Budget in bytes: a share such as 50% of the f16 bytes. With a recipe: of the parameters in the matrices that it touches.",
        valueName: "share"))
    var size: String?

    @Option(help: ArgumentHelp("Budget in multiply-adds: a share of the dense ones.", valueName: "share"))
    var macs: String?

    @Option(help: ArgumentHelp("Budget in time: a share of the dense model's, such as 0.6x or 60%.", valueName: "share"))
    var latency: String?

    @OptionGroup var timing: LatencyOptions

    @Option(help: ArgumentHelp("Calibration text: a file (encoders: one sentence a line), or 'self'.", valueName: "file|self"))
    var calibration: String?

    @Option(name: [.short, .long], help: ArgumentHelp("The folder to write.", valueName: "folder"))
    var output: String?

    @OptionGroup var choice: RecipeOptions

    @Option(help: ArgumentHelp(
        "How far to narrow coupled matrices before: auto, none, or shares of the parameters in blocks to try, such as 90%,80%.",
        valueName: "levels"))
    var rewrites: String = Self.defaultRewrites

    @Flag(help: "Stop at the plan: print it (or write it to --output, a file) instead of compressing.")
    var planOnly = false

    @Option(help: ArgumentHelp("Follow a plan file instead of choosing.", valueName: "file"))
    var plan: String?

    @Flag(help: ArgumentHelp(
        "Compress the plain weights without running the model: no text is needed, the architecture may be unknown."))
    var withoutCalibration = false

    @Flag(help: "Check the model, coverage, memory and disk, and do nothing else.")
    var dryRun = false

    @Flag(help: "Replace an output folder that exists.")
    var force = false

    @OptionGroup var common: CommonOptions

    func validate() throws {
        guard output?.isEmpty != true else { throw ValidationError("--output: expected a path, got none") }
        if recipe != Self.automaticRecipe { return try validateRecipe() }
        let budgets = [("--size", size), ("--macs", macs), ("--latency", latency)].filter { $0.1 != nil }.map { $0.0 }
        if let first = budgets.first, plan != nil {
            throw ValidationError("--plan says what to keep: it excludes \(first)")
        }
        if budgets.isEmpty, plan == nil {
            throw ValidationError("a budget is needed: --size 50%, --macs 50% or --latency 0.6x")
        }
        if budgets.count > 2 { throw ValidationError("two budgets at most, got \(budgets.joined(separator: ", "))") }
        try timing.check(for: latency)
        if output == nil, !planOnly, !dryRun { throw ValidationError("--output is needed") }
        if withoutCalibration {
            let clash = [("--calibration", calibration != nil), ("--latency", latency != nil)].first { $0.1 }
            if let clash { throw ValidationError("\(clash.0) excludes --without-calibration") }
        }
    }

    static let defaultRewrites = "auto"

    func run() throws {
        if recipe != Self.automaticRecipe { return try runRecipe() }
        guard MPICommunicator.isAskedFor, !dryRun else { return try run(LocalCommunicator()) }
        let communicator = try MPICommunicator()
        var failure: (any Error)?
        do { try run(communicator) } catch { failure = error }
        communicator.end(after: failure) { ErrorRendering.report($0) }
        if let failure { throw ReportedError(error: failure) }
    }

    private func run(_ communicator: any Communicator) throws {
        let display = ProgressDisplay(quiet: common.quiet || !communicator.isFirst)
        var job = CompressionJob(
            model: model, output: outputPath, recipe: try choices(), calibration: source, planFile: plan,
            context: common.context, progress: { display($0) })
        job.replacesOutput = force
        job.latencyTable = timing.table
        job.withoutCalibration = withoutCalibration
        job.memoryLimit = try choice.memoryLimit
        job.communicator = communicator
        let outcome = Mutex<LatencyOutcome?>(nil)
        job.latencyOutcome = { found in outcome.withLock { $0 = found } }
        if dryRun { return try printForecast(job.forecast()) }
        guard communicator.isFirst else { return try job.assist() }
        if planOnly {
            let plan = try job.plan()
            _ = display.finish()
            if !common.quiet, let found = outcome.withLock({ $0 }) { standardError(found.text + "\n") }
            let text = try plan.json.serialized(pretty: true) + [UInt8(ascii: "\n")]
            guard let output else { return FileHandle.standardOutput.write(Data(text)) }
            return try AtomicFile.write(text, to: output)
        }
        let report = try job.run()
        let timings = display.finish()
        let found = outcome.withLock { $0 }
        try writeTimings(timings, found)
        if common.json {
            print(try report.json.text(pretty: true))
        } else {
            print(report.text)
            if let found { print(found.text) }
            print("report: \(outputPath)/report.html")
        }
    }

    /// Without trailing slashes, so that siblings can be named after it. A plan on its own journals beside the model.
    var outputPath: String {
        var path = planOnly ? "\(model).plan" : output ?? "\(model).compressed"
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }

    var source: CalibrationSource? {
        calibration.map { $0 == "self" ? .own : .file($0) }
    }

    private func choices() throws -> Recipe {
        // The order in which ties between them are told: latency is what candidates are ordered by where it is asked for.
        let given: [(String?, Budget.Quantity)] = [(latency, .latency), (size, .bytes), (macs, .multiplyAdds)]
        let budgets = try given.compactMap { text, quantity in try text.map { try Budget($0, quantity: quantity) } }
        var recipe = try choice.recipe(budgets, batch: timing.batch)
        recipe.rewrites = try NarrowingLevels(rewrites)
        return recipe
    }

    private func printForecast(_ forecast: CompressionJob.Forecast) throws {
        for site in forecast.selected { print("compress  \(site.name)  \(site.shape)  \(site.role.rawValue)") }
        for (site, reason) in forecast.left { print("leave     \(site.name)  \(site.shape)  \(reason)") }
        for size in forecast.budgets {
            let quantity = size.budget.quantity
            let amount = quantity == .latency
                ? "\(FigureText.percent(size.budget.fraction)) of the dense model's time"
                : "\(size.limit) of \(size.whole)"
            print("budget    \(amount)\(quantity == .latency ? "" : " \(quantity.unit)")")
        }
        print("memory    about \(forecast.memory >> 20) MiB of \(ProcessInfo.processInfo.physicalMemory >> 20) MiB")
        print("disk      about \(forecast.disk >> 20) MiB while it runs")
    }

    /// Times differ from run to run, so they lie beside the folder, whose bytes do not.
    private func writeTimings(_ timings: [(stage: String, seconds: Double)], _ latency: LatencyOutcome?) throws {
        let stages = timings.map { stage, seconds -> JSONValue in
            ["stage": .string(stage), "seconds": .number((seconds * 1000).rounded() / 1000)]
        }
        var json = JSONObject()
        json["threads"] = .integer(Int64(common.context.threads))
        // Of this process; where several share the work, of the first.
        if let peak = ResidentMemory.peak { json["peak_resident_bytes"] = .integer(Int64(peak)) }
        json["stages"] = .array(stages)
        if let latency { json["latency"] = latency.json }
        try AtomicFile.write(JSONValue.object(json).serialized(pretty: true) + [UInt8(ascii: "\n")], to: outputPath + ".timings.json")
        if !common.quiet {
            let total = timings.reduce(0) { $0 + $1.seconds }
            standardError(String(format: "done in %.1f s\n", total))
        }
    }
}
