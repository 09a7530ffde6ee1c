import Benchmarking
import Communication
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
    /// A plan file to follow instead of allocating. Where the recipe names no recovery, the plan's is done.
    public var planFile: String?
    /// Where a latency is a budget: the table's file; nil for this machine's cache.
    public var latencyTable: String?
    public var replacesOutput = false
    /// Keep the journal after `plan()`, so that `run()` continues from it. `run()` always removes it when done.
    public var keepsJournal = false
    /// Told how a latency budget came out, before anything is written.
    public var latencyOutcome: @Sendable (LatencyOutcome) -> Void = { _ in }
    /// Compresses the weights as they are, without running the model: no text is needed, matrices count alike, and the
    /// architecture may be unknown.
    public var withoutCalibration = false {
        didSet {
            guard withoutCalibration else { return }
            recipe.objective = .frobenius
            recipe.recovery = recipe.recovery ?? []
        }
    }
    /// Bytes of memory that must not be passed where it can be helped; nil takes half of the machine's.
    public var memoryLimit: Int?
    /// The processes that share the work; all run the same job, rank 0 by `run` or `plan`, the others by `assist`.
    public var communicator: any Communicator = LocalCommunicator()
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
    public var journalFolder: URL { Journal.folder(beside: output) }

    /// Where this process keeps unfinished work: rank 0's is the one that is found again.
    private var ownJournalFolder: URL {
        communicator.isFirst
            ? journalFolder
            : FileManager.default.temporaryDirectory.appending(
                path: "tessera-rank-\(communicator.rank)-\(getpid()).journal", directoryHint: .isDirectory)
    }

    /// What can be said before any work: coverage, sizes, memory.
    public struct Forecast: Sendable {
        public let selected: [MatrixSite]
        public let left: [(site: MatrixSite, reason: String)]
        /// The budgets over the selected matrices, in the recipe's order.
        public let budgets: [BudgetSize]
        /// Bytes of memory at the peak, estimated (`WorkingMemory`).
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
        /// The job with what `planFile` leaves no choice about.
        let job: CompressionJob
        let loaded: LoadedModel
        let folder: ModelFolder
        let unused: UnusedMatrices
        /// What `planFile` says.
        let plan: Plan?
        let forecast: Forecast
        let memory: WorkingMemory
    }

    /// Opens the model, selects matrices and sizes the budget.
    /// - Throws: `ModelFileError`, `TransformersError`, `CompressionError`.
    public func forecast() throws -> Forecast { try open().forecast }

    func open() throws -> Opened {
        let folder = try ModelFolder(path: model)
        guard !folder.configuration.isCompressed else { throw CompressionError.alreadyCompressed(folder: model) }
        let plan = try planFile.map { try Plan(file: URL(fileURLWithPath: $0)) }
        var job = self
        if let plan, recipe.recovery == nil { job.recipe.recovery = plan.recovery }
        return try job.open(folder, plan)
    }

    private func open(_ folder: ModelFolder, _ plan: Plan?) throws -> Opened {
        var loaded = try load()
        let checkpoint = loaded.checkpoint
        var (selected, left) = try recipe.selection.split(loaded.model.sites)
        if !recipe.countsBytes {
            left += selected.filter { !$0.isMultiplied }.map {
                ($0, "looked up, so without multiply-adds or time to save")
            }
            selected.removeAll { !$0.isMultiplied }
        }
        let unused = try UnusedMatrices(loaded, precision: recipe.precision)
        let budgets = recipe.budgets.map { size(of: $0, selected, checkpoint, unused) }
        let dense = selected.reduce(0) { $0 + $1.shape.count }
        let memory = try workingMemory(loaded.model, plan, selected, text: nil)
        if memory.isScarce {
            // Not left out in silence: the same command would give another model on a machine with less memory.
            guard withoutCalibration || recipe.recoverySteps.isEmpty else {
                throw CompressionError.recoveryNeedsMemory(
                    steps: RecoveryStep.text(recipe.recoverySteps), expected: memory.whole, limit: memory.limit)
            }
            ResidentMemory.returnLargeBlocks()
            loaded = try load(isStreamed: true)
        }
        let moments = recipe.objective == .activations ? Calibration.bytes(Calibration.features(of: selected)) : 0
        // A model that is narrowed has moments and fits of its own at every level.
        let levels = plan == nil && !memory.isScarce ? recipe.narrowingLevels(of: loaded.model).count : 0
        return Opened(
            job: self, loaded: loaded, folder: folder, unused: unused, plan: plan,
            forecast: Forecast(
                selected: selected, left: left, budgets: budgets, memory: memory.peak,
                disk: checkpoint.fileByteCount
                    + (1 + levels) * (2 * moments + (memory.isScarce ? 8 : 4) * dense) + (levels > 0 ? moments : 0)),
            memory: memory)
    }

    /// The model, with its images where it is one of images.
    private func load(isStreamed: Bool = false) throws -> LoadedModel {
        var loaded = try loadModel(isStreamed)
        try loaded.take(calibration)
        return loaded
    }

    private func loadModel(_ isStreamed: Bool) throws -> LoadedModel {
        if withoutCalibration { return try .loadMatrices(model, isStreamed: isStreamed) }
        do { return try .load(model, isStreamed: isStreamed) } catch TransformersError.unknownArchitecture(
            let file, let got, let known)
        {
            throw CompressionError.needsRunning(
                reason: "\(TransformersError.unknownArchitecture(file: file, got: got, known: known))")
        }
    }

    /// - Parameter text: nil where it is not known yet: it may then be as long as the model takes.
    private func workingMemory(
        _ model: any TransformerModel, _ plan: Plan?, _ selected: [MatrixSite], text: CalibrationText?
    ) throws -> WorkingMemory {
        let samples = calibration == .own && model is any CausalModel
        let most = withoutCalibration ? 0 : min(samples ? 256 : 2048, model.maximumTokens)
        func longest(_ sequences: [[Int]]?) -> Int { sequences.map { $0.map(\.count).max() ?? 0 } ?? most }
        var recipe = recipe
        if let plan {
            // What is unknown is told with the plan's name, when that is checked.
            recipe.families = Set(plan.entries.map(\.choice.candidate.family)).filter(CandidateSources.names.contains).sorted()
        }
        let needs = try MemoryNeeds(
            model, selected: selected, recipe: recipe, tokens: longest(text.map { $0.calibration + $0.heldOut }),
            measured: longest(text?.heldOut), samples: samples)
        return WorkingMemory(needs, limit: memoryLimit, threads: context.threads)
    }

    /// The same once the text is known.
    func memory(_ opened: Opened, _ selected: [MatrixSite], _ text: CalibrationText) throws -> WorkingMemory {
        opened.memory.isScarce ? try workingMemory(opened.loaded.model, opened.plan, selected, text: text) : opened.memory
    }

    /// Compresses and writes the folder; the journal is removed at the end.
    /// - Throws: as `plan`, and `ModelFileError` for the output.
    public func run() throws -> CompressionReport {
        let opened = try communicator.together {
            let opened = try open()
            // Refuse a destination that is taken before hours of work, not after.
            _ = try OutputFolder(
                destination: output, replacing: replacesOutput, requiredBytes: opened.loaded.checkpoint.fileByteCount)
            return opened
        }
        let (result, journal, text) = try opened.job.work(opened)
        return try communicator.together { try opened.job.write(opened, result, journal, text) }
    }

    /// Takes part in the work of rank 0, and writes nothing.
    /// - Throws: as `run`, and `CommunicationError.otherRank`.
    public func assist() throws {
        defer { try? FileManager.default.removeItem(at: ownJournalFolder) }
        let opened = try communicator.together { try open() }
        _ = try opened.job.work(opened)
        try communicator.together {}
    }

    private func write(
        _ opened: Opened, _ result: Compressor.Result, _ journal: Journal, _ text: CalibrationText
    ) throws -> CompressionReport {
        let folder = try writtenFolder(opened, result)
        let report = try makeReport(opened, result, text, folder)
        try folder.write(extraFiles: [
            ("report.json", report.json.serialized(pretty: true) + [UInt8(ascii: "\n")]),
            ("report.html", Array(report.html(sizeUnit: recipe.budget.quantity == .multiplyAdds ? .multiplyAdds : .bytes).utf8)),
            ("plan.json", plan(opened, result, text).json.serialized(pretty: true) + [UInt8(ascii: "\n")]),
        ])
        try journal.remove()
        return report
    }

    /// Stops at the plan.
    /// - Throws: `CompressionError`, `FittingError`, `ModelFileError`, `TransformersError`.
    public func plan() throws -> Plan {
        let opened = try communicator.together { try open() }
        let (result, journal, text) = try opened.job.work(opened)
        return try communicator.together {
            if !keepsJournal { try journal.remove() }
            return opened.job.plan(opened, result, text)
        }
    }

    func plan(_ opened: Opened, _ result: Compressor.Result, _ text: CalibrationText) -> Plan {
        Plan(
            recipe: recipe.properties, entries: result.entries,
            left: opened.forecast.left.map { ($0.site.name, $0.reason) }, notes: result.notes,
            latency: result.latency.map { Plan.Latency($0) }, rewrite: result.rewrite,
            calibration: source(opened).map { Plan.Calibration($0, text) })
    }

    private func work(_ opened: Opened) throws -> (result: Compressor.Result, journal: Journal, text: CalibrationText) {
        let start = try communicator.together { try begin(opened) }
        try agree(on: start.identity)
        let journal = try communicator.together { try Journal(folder: ownJournalFolder, identity: start.identity) }
        let chosen = try compressed(opened, start, journal)
        var result = chosen.result
        if !withoutCalibration {
            result = try chosen.compressor.recovered(result, plan: opened.plan, journal: chosen.journal) {
                try opened.loaded.checkpoint.rounded($1, as: $0)
            }
        } else {
            result.notes = ["matrices count alike, and errors are those of the weights: the model was not run"]
        }
        if let latency = start.latency { try finish(&result, latency, run: Self.name(of: start.identity)) }
        return (result, journal, start.text)
    }
}
