import Benchmarking
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A model compressed to several sizes: every size's plan, quality, bytes and speed, and beside them the fronts of single
/// families and of the simplest methods.
///
/// A point that is done is recorded; a sweep that was killed goes on from there and ends with the same bytes (speeds are
/// taken from the record, so they too, once they were measured). The folder appears when everything in it is written.
public struct SweepJob: Sendable {
    public var model: String
    public var output: String
    /// What the points have in common; its budgets do not count, nor does its scope where `scope` is nil.
    public var recipe: Recipe
    /// Which matrices take part; nil for all where bytes count, and the layers otherwise: tables have no multiply-adds.
    public var scope: MatrixSelection.Scope?
    /// The points, each a budget by itself.
    public var budgets: [Budget]
    public var calibration: CalibrationSource
    /// What quality is measured on; nil for the text held out of the calibration's.
    public var evaluation: EvaluationText?
    /// Families to draw a front of by themselves.
    public var fronts = Self.defaultFronts
    public var controls = ControlMethod.allCases
    /// Batches to time the points at; none for none.
    public var batches = [1, 64]
    /// Measure on a text though the calibration has parts of it.
    public var allowsOverlap = false
    public var latencyTable: String?
    /// Bytes of memory that must not be passed where it can be helped; nil takes half of the machine's.
    public var memoryLimit: Int?
    public var replacesOutput = false
    public var context: ExecutionContext
    public var progress: @Sendable (CompressionProgress) -> Void

    public static let defaultFronts = [LowRank.family.name, Quantized.family.name, NMSparse.family.name]
    /// The method of the points that choose among all families.
    static let auto = "auto"

    public init(
        model: String, output: String, recipe: Recipe, budgets: [Budget], calibration: CalibrationSource,
        evaluation: EvaluationText? = nil, context: ExecutionContext,
        progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) {
        self.model = model
        self.output = output
        self.recipe = recipe
        self.budgets = budgets
        self.calibration = calibration
        self.evaluation = evaluation
        self.context = context
        self.progress = progress
    }

    /// Where unfinished work is kept.
    public var journalFolder: URL { Journal.folder(beside: output) }

    /// Measures every point and writes the folder: `sweep.json`, `sweep.html` and a plan for each point.
    /// - Throws: `CompressionError`, also `.textsOverlap`; `ModelFileError` for the output; what calibrating and judging the
    ///   dense model throw. What a point refuses is a row with its error.
    public func run() throws -> SweepResults {
        try check()
        // Refuse a destination that is taken before hours of work, not after.
        _ = try OutputFolder(destination: output, replacing: replacesOutput, requiredBytes: 1 << 20)
        var results: SweepResults?
        var plans: [(name: String, text: [UInt8])] = []
        for quantity in Budget.Quantity.allCases {
            let points = budgets.filter { $0.quantity == quantity }
            guard let first = points.first else { continue }
            let session = try SweepSession(job(first), journal: journalFolder.appending(path: quantity.rawValue))
            let judge = try makeJudge(session)
            var found = try results ?? header(session, judge)
            for task in tasks(points) {
                let (row, plan) = try measured(task, session, judge)
                found.rows.append(row)
                if let plan, let name = row.plan { plans.append((name, plan)) }
            }
            results = found
        }
        guard let results else { throw CompressionError.invalidBudget(text: "", reason: "at least one point is needed") }
        let folder = try OutputFolder(destination: output, replacing: replacesOutput, requiredBytes: 1 << 20)
        for (name, text) in plans { try AtomicFile.write(text, to: folder.file(name)) }
        try AtomicFile.write(
            try results.json.serialized(pretty: true) + [UInt8(ascii: "\n")], to: folder.file("sweep.json"))
        try AtomicFile.write(results.html, to: folder.file("sweep.html"))
        try folder.commit()
        try FileManager.default.removeItem(at: journalFolder)
        return results
    }

    private func check() throws {
        for name in fronts {
            guard try !CandidateSources.source(name).isSlow else { throw CompressionError.frontTooSlow(family: name) }
        }
    }

    private func job(_ budget: Budget) -> CompressionJob {
        var recipe = recipe
        recipe.budgets = [budget]
        recipe.selection.scope = scope ?? (budget.quantity == .bytes ? .all : .linear)
        var job = CompressionJob(
            model: model, output: output, recipe: recipe, calibration: calibration, context: context, progress: progress)
        job.latencyTable = latencyTable
        job.memoryLimit = memoryLimit
        return job
    }

    private func makeJudge(_ session: SweepSession) throws -> QualityJudge {
        let loaded = session.opened.loaded
        let text: EvaluationText
        if let evaluation {
            text = evaluation
            let overlap = session.text.fingerprints(for: loaded.model).overlap(with: evaluation.tokens(of: loaded))
            if overlap.isTooLarge, !allowsOverlap {
                throw CompressionError.textsOverlap(file: evaluation.name, overlap: overlap.text)
            }
        } else {
            text = .sequences(
                session.text.heldOut, name: "\(session.text.heldOut.count) sequences held out of \(session.text.origin)")
        }
        progress(CompressionProgress(stage: "judging the dense model", done: 0, total: 1))
        let judge = try QualityJudge(loaded, text, context: context)
        progress(CompressionProgress(stage: "judging the dense model", done: 1, total: 1))
        return judge
    }

    private func header(_ session: SweepSession, _ judge: QualityJudge) throws -> SweepResults {
        let loaded = session.opened.loaded
        let overlap = evaluation.map {
            session.text.fingerprints(for: loaded.model).overlap(with: $0.tokens(of: loaded)).text
        }
        var facts = recipe.properties.filter { !["budget", "scope", "recovery"].contains($0.name) }
        facts.insert(("scope", scope?.rawValue ?? "all where bytes count, linear otherwise"), at: 0)
        facts.append(("recovery", recipe.recovery.map(RecoveryStep.text) ?? RecoveryStep.standardText))
        facts.append(("calibration", session.text.origin))
        facts.append(("evaluation", judge.text.name))
        facts.append(("overlap of the texts", overlap ?? "none: the text was held out of the calibration's"))
        return SweepResults(
            model: URL(fileURLWithPath: model).lastPathComponent,
            architecture: loaded.configuration.value("model_type")?.stringValue ?? "unknown", recipe: facts,
            threads: context.threads, processor: ProcessorName.current, bytesInF16: session.bytesInF16,
            bytes: session.storedBytes([]), multiplyAdds: session.multiplyAdds(loaded.model),
            figures: judge.original)
    }

    // MARK: - Points

    private enum Method: Sendable {
        case auto
        case only(family: String)
        case control(ControlMethod)

        var name: String {
            switch self {
            case .auto: SweepJob.auto
            case .only(let family): "\(family) only"
            case .control(let method): "control: \(method.rawValue)"
            }
        }
    }

    private struct Task {
        let method: Method
        let budget: Budget
        let number: Int
        let count: Int

        var title: String { "\(number) of \(count): \(method.name), \(budget.text)" }
    }

    /// The most important first: a sweep that is stopped has them.
    private func tasks(_ points: [Budget]) -> [Task] {
        var methods: [Method] = [.auto] + controls.map { .control($0) }
        for name in fronts {
            if let quantity = points.first?.quantity, CandidateSources.find(name)?.serves(quantity) == true { methods.append(.only(family: name)) }
        }
        let all = methods.flatMap { method in
            points.compactMap { budget -> (Method, Budget)? in
                if case .control(let control) = method, !control.serves(budget.quantity) { return nil }
                return (method, budget)
            }
        }
        return all.enumerated().map { Task(method: $1.0, budget: $1.1, number: $0 + 1, count: all.count) }
    }

    /// A point as it was recorded, or measured now.
    private func measured(
        _ task: Task, _ session: SweepSession, _ judge: QualityJudge
    ) throws -> (row: SweepRow, plan: [UInt8]?) {
        let journal = session.journal(for: task.budget, task.method.name)
        // What it was measured on, and at which batches, is part of the name.
        var key = Fingerprint()
        key.add(judge.text.name)
        for sequence in judge.text.tokens(of: session.opened.loaded) { sequence.withUnsafeBytes { key.add($0) } }
        key.add(batches.map(String.init).joined(separator: " "))
        if let known = journal[key.text], let row = SweepRow(json: known["row"], speeds: known["speeds"]) {
            return (row, try known["plan"].map { try $0.serialized(pretty: true) + [UInt8(ascii: "\n")] })
        }
        var row = SweepRow(method: task.method.name, budget: task.budget)
        var plan: Plan?
        do {
            let made = try make(task, session)
            plan = made.plan
            row.plan = made.plan == nil ? nil : task.budget.planName
            progress(CompressionProgress(stage: "\(task.title): judging", done: 0, total: 1))
            let figures = try judge.figures(of: made.model, context: context)
            progress(CompressionProgress(stage: "\(task.title): judging", done: 1, total: 1))
            row.measured = SweepRow.Measured(
                bytes: made.bytes, multiplyAdds: session.multiplyAdds(made.model), figures: figures, notes: made.notes,
                speeds: try speeds(of: made.model, against: session.opened.loaded.model, task))
        } catch let error as CompressionError where error.isOfBudget {
            row.error = "\(error)"
        }
        var record = JSONObject()
        record["row"] = row.json
        record["speeds"] = row.speedsJSON
        if let plan { record["plan"] = plan.json }
        try journal.record(key.text, .object(record))
        return (row, try plan.map { try $0.json.serialized(pretty: true) + [UInt8(ascii: "\n")] })
    }

    private func make(
        _ task: Task, _ session: SweepSession
    ) throws -> (model: any TransformerModel, bytes: Int, notes: [String], plan: Plan?) {
        let (title, progress) = (task.title, progress)
        let inner: @Sendable (CompressionProgress) -> Void = {
            progress(CompressionProgress(stage: "\(title): \($0.stage)", done: $0.done, total: $0.total))
        }
        switch task.method {
        case .auto, .only:
            var families: [String]?
            if case .only(let family) = task.method { families = [family] }
            let (result, plan) = try session.solve(task.budget, families: families, progress: inner)
            return (result.model, session.storedBytes(of: result), result.notes, families == nil ? plan : nil)
        case .control(let method):
            let sites = session.selected
            let limit = task.budget.quantity == .bytes ? session.limit(task.budget) : 2 * session.limit(task.budget)
            let made = try method.replace(
                sites, in: session.opened.loaded.model, bytes: limit, precision: recipe.precision, context: context
            ) { inner(CompressionProgress(stage: "fitting", done: $0, total: $1)) }
            let bytes = session.storedBytes(sites.map { ($0.name, made.model[site: $0.name].cost.storedBytes) })
            return (made.model, bytes, [made.form], nil)
        }
    }

    private func speeds(
        of model: any TransformerModel, against dense: any TransformerModel, _ task: Task
    ) throws -> [SweepRow.Speed] {
        try batches.map { batch in
            let workload = LatencyWorkload(model: dense, batch: batch)
            let measurement = try LatencyMeasurement.measure(model, against: dense, workload, context: context) {
                progress(CompressionProgress(stage: "\(task.title): timing", done: $0, total: $1))
            }
            return SweepRow.Speed(batch: batch, unit: workload.unit, measurement: measurement)
        }
    }
}

extension ControlMethod {
    /// Integers multiply as often as the dense matrix; times are nobody's to choose by simple means.
    fileprivate func serves(_ quantity: Budget.Quantity) -> Bool {
        switch quantity {
        case .bytes: true
        case .multiplyAdds: self == .uniformSVD
        case .latency: false
        }
    }
}

extension CompressionError {
    /// Whether a smaller or larger budget would have been served.
    var isOfBudget: Bool {
        switch self {
        case .budgetTooSmall, .budgetsTooSmallTogether, .latencyUnreachable: true
        default: false
        }
    }
}
