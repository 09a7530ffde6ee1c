import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A whole compression of a model folder: from its files to the compressed folder with its report.
public struct CompressionJob: Sendable {
    /// Where the calibration sequences come from.
    public enum CalibrationSource: Sendable, Equatable {
        case file(String)
        /// Sampled from the model itself; for an encoder, the sentences that ship.
        case own
    }

    public var model: String
    public var output: String
    public var recipe: Recipe
    public var calibration: CalibrationSource?
    /// A plan file to follow instead of allocating.
    public var planFile: String?
    public var replacesOutput = false
    /// Keep the journal after `plan()`, so that `run()` continues from it. `run()` always removes it when done.
    public var keepsJournal = false
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
        /// The budget in its own unit, over the selected matrices.
        public let limit: Int
        /// The same matrices in f16, or dense multiply-adds.
        public let whole: Int
        /// Bytes of memory at the peak, estimated: the dense model, the moments, the work of the largest fits.
        public let memory: Int
        /// Bytes on disk: the output at most, and the journal while it lasts.
        public let disk: Int
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
        if recipe.budget.quantity == .multiplyAdds {
            left += selected.filter { $0.role == .embedding }.map { ($0, "looked up, so without multiply-adds to save") }
            selected.removeAll { $0.role == .embedding }
        }
        let (limit, whole) = try budget(selected, checkpoint)
        let dense = selected.reduce(0) { $0 + $1.shape.count }
        let moments = recipe.objective == .activations ? Calibration.memory(sites: selected) : 0
        let largest = selected.map { site in
            8 * (4 * site.shape.count + 4 * min(site.shape.columns, 8192) * min(site.shape.columns, 8192))
        }.max() ?? 0
        return Opened(
            loaded: loaded, folder: folder,
            forecast: Forecast(
                selected: selected, left: left, limit: limit, whole: whole,
                memory: 4 * 3 * dense + 2 * moments + context.threads * largest + OutputDistance.memoryLimit,
                disk: checkpoint.fileByteCount + moments + 4 * dense))
    }

    /// The budget over the selected matrices, and what 100 % is.
    private func budget(_ selected: [MatrixSite], _ checkpoint: Checkpoint) throws -> (limit: Int, whole: Int) {
        let dense = selected.reduce(0) { $0 + $1.shape.count }
        let share = recipe.budget.fraction
        switch (recipe.budget.quantity, recipe.selection.scope) {
        case (.multiplyAdds, _):
            return (Int(share * Double(dense)), dense)
        case (.bytes, .linear):
            return (Int(share * Double(2 * dense)), 2 * dense)
        case (.bytes, .all):
            // The whole file counts: what stays (norms, biases, tables left) and the header come off the budget first.
            var (numbers, untouched) = (0, 0)
            let names = Set(selected.map { "\($0.name).weight" })
            for name in checkpoint.tensorNames {
                guard let entry = checkpoint.entry(named: name) else { continue }
                if entry.elementType.isFloatingPoint { numbers += entry.byteCount / entry.elementType.byteCount }
                if !names.contains(name) { untouched += entry.byteCount }
            }
            let header = 200 * (checkpoint.tensorNames.count + 3 * selected.count)
            let whole = 2 * numbers
            return (max(0, Int(share * Double(whole)) - untouched - header), whole)
        }
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
            source: opened.folder, checkpoint: opened.loaded.checkpoint, matrices: matrices, destination: output,
            replacing: replacesOutput)
        let report = try makeReport(opened, result, text, folder)
        try folder.write(extraFiles: [
            ("report.json", report.json.serialized(pretty: true) + [UInt8(ascii: "\n")]),
            ("report.html", Array(report.html(sizeUnit: recipe.budget.quantity == .bytes ? .bytes : .multiplyAdds).utf8)),
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
            left: opened.forecast.left.map { ($0.site.name, $0.reason) }, notes: result.notes)
    }

    private func work(_ opened: Opened) throws -> (result: Compressor.Result, journal: Journal, text: CalibrationText) {
        var plan: Plan?
        var selected = opened.forecast.selected
        if let planFile {
            let read = try Plan(file: URL(fileURLWithPath: planFile))
            try read.check(against: opened.loaded.model.sites, file: planFile)
            let names = Set(read.entries.map(\.name))
            if let missing = selected.first(where: { !names.contains($0.name) }) {
                throw CompressionError.planMismatch(file: planFile, reason: "it says nothing of '\(missing.name)'")
            }
            selected = opened.loaded.model.sites.filter { names.contains($0.name) }
            plan = read
        } else {
            try checkBudget(opened.forecast)
        }
        let text = try calibrationText(opened.loaded)
        var weights = Fingerprint()
        for shard in opened.loaded.checkpoint.shards { try weights.add(fileAt: shard.file) }
        try weights.add(fileAt: opened.folder.file(ModelFolder.configurationFileName))
        var sequences = Fingerprint()
        text.add(to: &sequences)
        var recipeText = Fingerprint()
        for (name, value) in recipe.properties { recipeText.add("\(name)=\(value)") }
        if let planFile { try recipeText.add(fileAt: planFile) }
        let journal = try Journal(
            folder: journalFolder,
            identity: [
                ("format", "1"), ("model", weights.text), ("calibration text", sequences.text),
                ("recipe or seed", recipeText.text),
            ])
        let compressor = Compressor(
            recipe: recipe, model: opened.loaded.model, calibration: text.calibration, heldOut: text.heldOut,
            limit: opened.forecast.limit, selected: selected, context: context, progress: progress)
        let result = try plan.map { try compressor.run(plan: $0, journal: journal) } ?? compressor.run(journal: journal)
        return (result, journal, text)
    }

    /// Refuses what no allocation can meet before any work is done or journaled.
    private func checkBudget(_ forecast: Forecast) throws {
        let sources = try CandidateSources.named(recipe.families).filter { $0.serves(recipe.budget.quantity) }
        var smallest = 0
        for site in forecast.selected {
            smallest += sources.flatMap { source in
                source.candidates(for: site, quantity: recipe.budget.quantity, precision: recipe.precision).map {
                    AssessedCandidate(
                        candidate: $0, cost: source.cost(of: $0, shape: site.shape, precision: recipe.precision),
                        relativeError: 0
                    ).quantity(recipe.budget)
                }
            }.min() ?? 0
        }
        guard smallest <= forecast.limit else {
            throw CompressionError.budgetTooSmall(
                quantity: recipe.budget.quantity.rawValue, budget: forecast.limit, smallest: smallest)
        }
    }

    private func calibrationText(_ loaded: LoadedModel) throws -> CalibrationText {
        switch calibration {
        case .file(let path):
            let storage = try TensorStorage(mapping: path)
            guard let text = storage.withBytes({ String(validating: $0, as: UTF8.self) }) else {
                throw CompressionError.calibrationNotText(file: path)
            }
            return try sequences(text, origin: URL(fileURLWithPath: path).lastPathComponent, loaded)
        case .own:
            if let causal = loaded.model as? any CausalModel {
                let progress = progress
                return try .sampled(
                    from: causal, start: try loaded.configuration.integers("bos_token_id").first ?? loaded.stopTokens.min() ?? 0,
                    length: min(256, causal.maximumPositions), seed: recipe.seed,
                    context: context
                ) { progress(CompressionProgress(stage: "sampling calibration text", done: $0, total: $1)) }
            }
            return try sequences(ShippedSentences.text, origin: "the sentences that ship with tessera", loaded)
        case nil:
            throw CompressionError.missingCalibration(
                reason: "sensitivities and quality are measured on it, and the activation objective is made of it")
        }
    }

    private func sequences(_ text: String, origin: String, _ loaded: LoadedModel) throws -> CalibrationText {
        if loaded.model is any EncoderModel {
            let own = try CalibrationText.sentences(text, origin: origin) { loaded.tokens($0) }
            guard calibration != .own else { return own }
            // A calibration file is narrower than what an encoder will meet: damage is judged on other text as well.
            let shipped = try CalibrationText.sentences(ShippedSentences.text, origin: origin) { loaded.tokens($0) }
            return own.judged(also: shipped.calibration, "the sentences that ship")
        }
        return try .windows(
            loaded.tokenizer.encode(text, addSpecialTokens: false), length: min(2048, loaded.model.maximumPositions),
            origin: origin)
    }
}
