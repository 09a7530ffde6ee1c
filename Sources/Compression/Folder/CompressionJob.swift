import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A whole compression of a model folder: from its files to the compressed folder with its report.
public struct CompressionJob: Sendable {
    public var model: String
    public var output: String
    public var recipe: Recipe
    public var calibration: CalibrationSource?
    /// A plan file to follow instead of allocating.
    public var planFile: String?
    /// Where a latency is a budget: the table's file; nil for this machine's cache.
    public var latencyTable: String?
    public var replacesOutput = false
    /// Keep the journal after `plan()`, so that `run()` continues from it. `run()` always removes it when done.
    public var keepsJournal = false
    /// Told how a latency budget came out, before anything is written.
    public var latencyOutcome: @Sendable (LatencyOutcome) -> Void = { _ in }
    public var context: ExecutionContext
    public var progress: @Sendable (CompressionProgress) -> Void

    public init(
        model: String, output: String, recipe: Recipe, calibration: CalibrationSource?, planFile: String? = nil,
        context: ExecutionContext, progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) {
        self.model = model
        self.output = output
        self.recipe = recipe
        self.calibration = calibration
        self.planFile = planFile
        self.context = context
        self.progress = progress
    }

    /// Where unfinished work is kept.
    public var journalFolder: URL { URL(fileURLWithPath: output + ".journal", isDirectory: true) }

    /// What can be said before any work: coverage, sizes, memory.
    public struct Forecast: Sendable {
        public let selected: [MatrixSite]
        public let left: [(site: MatrixSite, reason: String)]
        /// The budgets over the selected matrices, in the recipe's order.
        public let budgets: [BudgetSize]
        /// Bytes of memory at the peak, estimated: the dense model, the moments, the work of the largest fits.
        public let memory: Int
        /// Bytes on disk: the output at most, and the journal while it lasts.
        public let disk: Int
    }

    /// A budget in its own unit.
    public struct BudgetSize: Sendable {
        public let budget: Budget
        /// 0 for a latency, which is sized once the table has been read.
        public let limit: Int
        /// The same matrices in f16, or their dense multiply-adds.
        public let whole: Int
    }

    /// Everything read and decided before the work begins.
    struct Opened {
        let loaded: LoadedModel
        let folder: ModelFolder
        let forecast: Forecast
    }

    /// Opens the model, selects matrices and sizes the budget.
    /// - Throws: `ModelFileError`, `TransformersError`, `CompressionError`.
    public func forecast() throws -> Forecast { try open().forecast }

    func open() throws -> Opened {
        let folder = try ModelFolder(path: model)
        guard !folder.configuration.isCompressed else { throw CompressionError.alreadyCompressed(folder: model) }
        let loaded = try LoadedModel.load(model)
        let checkpoint = loaded.checkpoint
        var (selected, left) = try recipe.selection.split(loaded.model.sites)
        if !recipe.countsBytes {
            left += selected.filter { !$0.isMultiplied }.map {
                ($0, "looked up, so without multiply-adds or time to save")
            }
            selected.removeAll { !$0.isMultiplied }
        }
        let budgets = recipe.budgets.map { size(of: $0, selected, checkpoint) }
        let dense = selected.reduce(0) { $0 + $1.shape.count }
        let moments = recipe.objective == .activations ? Calibration.memory(sites: selected) : 0
        let largest = selected.map { site in
            8 * (4 * site.shape.count + 4 * min(site.shape.columns, 8192) * min(site.shape.columns, 8192))
        }.max() ?? 0
        return Opened(
            loaded: loaded, folder: folder,
            forecast: Forecast(
                selected: selected, left: left, budgets: budgets,
                memory: 4 * 3 * dense + 2 * moments + context.threads * largest + OutputDistance.memoryLimit,
                disk: checkpoint.fileByteCount + moments + 4 * dense))
    }

    /// Compresses and writes the folder; the journal is removed at the end.
    /// - Throws: as `plan`, and `ModelFileError` for the output.
    public func run() throws -> CompressionReport {
        let opened = try open()
        // Refuse a destination that is taken before hours of work, not after.
        _ = try OutputFolder(
            destination: output, replacing: replacesOutput, requiredBytes: opened.loaded.checkpoint.fileByteCount)
        let (result, journal, text) = try work(opened)
        let matrices = zip(result.entries, result.fits).map { ($0.name, $1.matrix) }
        let folder = try RewrittenFolder(
            source: opened.folder, checkpoint: opened.loaded.checkpoint, matrices: matrices, vectors: result.vectors,
            destination: output, replacing: replacesOutput)
        let report = try makeReport(opened, result, text, folder)
        try folder.write(extraFiles: [
            ("report.json", report.json.serialized(pretty: true) + [UInt8(ascii: "\n")]),
            ("report.html", Array(report.html(sizeUnit: recipe.budget.quantity == .multiplyAdds ? .multiplyAdds : .bytes).utf8)),
            ("plan.json", plan(opened, result).json.serialized(pretty: true) + [UInt8(ascii: "\n")]),
        ])
        try journal.remove()
        return report
    }

    /// Stops at the plan.
    /// - Throws: `CompressionError`, `FittingError`, `ModelFileError`, `TransformersError`.
    public func plan() throws -> Plan {
        let opened = try open()
        let (result, journal, _) = try work(opened)
        if !keepsJournal { try journal.remove() }
        return plan(opened, result)
    }

    private func plan(_ opened: Opened, _ result: Compressor.Result) -> Plan {
        Plan(
            recipe: recipe.properties, entries: result.entries,
            left: opened.forecast.left.map { ($0.site.name, $0.reason) }, notes: result.notes,
            latency: result.latency.map { Plan.Latency($0) })
    }

    private func work(_ opened: Opened) throws -> (result: Compressor.Result, journal: Journal, text: CalibrationText) {
        var plan: Plan?
        var selected = opened.forecast.selected
        var latency: PreparedLatency?
        if let planFile {
            let read = try Plan(file: URL(fileURLWithPath: planFile))
            try read.check(against: opened.loaded.model.sites, file: planFile)
            let names = Set(read.entries.map { $0.name })
            if let missing = selected.first(where: { !names.contains($0.name) }) {
                throw CompressionError.planMismatch(file: planFile, reason: "it says nothing of '\(missing.name)'")
            }
            selected = opened.loaded.model.sites.filter { names.contains($0.name) }
            plan = read
        } else {
            latency = try prepareLatency(opened)
            try check(prices(opened.forecast, latency?.prediction))
        }
        let text = try calibrationText(opened.loaded)
        let identity = try identity(opened, text, latency)
        let journal = try Journal(folder: journalFolder, identity: identity)
        let goal = latency.flatMap { self.goal($0, opened, run: Self.name(of: identity)) }
        let compressor = Compressor(
            recipe: recipe, model: opened.loaded.model, calibration: text.calibration, heldOut: text.heldOut,
            limits: opened.forecast.budgets.map { $0.limit }, latency: goal, selected: selected, context: context,
            progress: progress)
        var result = try plan.map { try compressor.run(plan: $0, journal: journal) } ?? compressor.run(journal: journal)
        result = try compressor.recovered(result, plan: plan, journal: journal) { try opened.loaded.checkpoint.rounded($1, as: $0) }
        if let latency { try finish(&result, latency, run: Self.name(of: identity)) }
        return (result, journal, text)
    }

    /// What a journal must agree in.
    private func identity(
        _ opened: Opened, _ text: CalibrationText, _ latency: PreparedLatency?
    ) throws -> [(name: String, value: String)] {
        var weights = Fingerprint()
        for shard in opened.loaded.checkpoint.shards { try weights.add(fileAt: shard.file) }
        try weights.add(fileAt: opened.folder.file(ModelFolder.configurationFileName))
        var sequences = Fingerprint()
        text.add(to: &sequences)
        var recipeText = Fingerprint()
        for (name, value) in recipe.properties { recipeText.add("\(name)=\(value)") }
        if let planFile { try recipeText.add(fileAt: planFile) }
        let table = latency.map { [("latency table", $0.fingerprint)] } ?? []
        return [
            ("format", "1"), ("model", weights.text), ("calibration text", sequences.text),
            ("recipe or seed", recipeText.text),
        ] + table
    }

    private func calibrationText(_ loaded: LoadedModel) throws -> CalibrationText {
        guard let calibration else {
            throw CompressionError.missingCalibration(
                reason: "sensitivities and quality are measured on it, and the activation objective is made of it")
        }
        return try .read(calibration, for: loaded, seed: recipe.seed, context: context, progress: progress)
    }
}
