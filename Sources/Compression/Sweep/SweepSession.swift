import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A model that is calibrated once, and whose candidates are fitted once, for budgets of one quantity; every size then only
/// takes a choice. What is found is recorded in one journal, each size's own findings apart from the others'.
final class SweepSession {
    let opened: CompressionJob.Opened
    let text: CalibrationText
    let journal: Journal
    private let memory: WorkingMemory
    private let base: CompressionJob
    private let latency: CompressionJob.PreparedLatency?
    /// By the families that were chosen among.
    private var prepared: [[String]: Compressor.Prepared] = [:]

    /// - Parameters:
    ///   - job: what the sizes have in common; of its recipe's budgets the quantity counts.
    ///   - journal: the folder to record in.
    /// - Throws: `CompressionError`, `ModelFileError`, `TransformersError`.
    init(_ job: CompressionJob, journal folder: URL) throws {
        base = job
        opened = try job.open()
        text = try job.calibrationText(opened)
        memory = try job.memory(opened, opened.forecast.selected, text)
        latency = try job.prepareLatency(opened)
        // Neither sizes nor families change what is found of a candidate.
        let choices = job.recipe.properties.filter { !["budget", "families", "recovery"].contains($0.name) }
            + [("own recovery", job.recipe.recovery.map(RecoveryStep.text) ?? "")]
        journal = try Journal(
            folder: folder, identity: try job.identity(opened, text, latency, choices: choices))
    }

    var selected: [MatrixSite] { opened.forecast.selected }

    /// What a budget allows the selected matrices, in its own unit.
    func limit(_ budget: Budget) -> Int { base.size(of: budget, selected, opened.loaded.checkpoint, opened.unused).limit }

    /// The journal of one size.
    func journal(for budget: Budget, _ method: String) -> Journal { journal.part("\(method), \(budget.text)") }

    /// Chooses within a budget, and says what was chosen as the same compression by itself would.
    /// - Parameter families: to choose among; nil for those of the recipe.
    /// - Throws: as `Compressor.run`; `CompressionError.budgetTooSmall` before any work.
    func solve(
        _ budget: Budget, families: [String]? = nil, progress: @escaping @Sendable (CompressionProgress) -> Void
    ) throws -> (result: Compressor.Result, plan: Plan) {
        var job = base
        job.recipe.budgets = [budget]
        job.recipe.families = families ?? base.recipe.families
        // What is done without being asked for is part of the mix that is chosen.
        if families != nil, job.recipe.recovery == nil { job.recipe.recovery = [] }
        job.progress = progress
        let limit = limit(budget)
        try job.check(
            CandidatePrices(
                budgets: job.recipe.budgets, limits: [limit], selected: selected, latency: latency?.prediction),
            opened.loaded.model)
        let own = journal(for: budget, job.recipe.families.joined(separator: " "))
        let checkpoint = opened.loaded.checkpoint
        let levels = families == nil ? try job.narrowingLevels(opened) : []
        guard levels.isEmpty else {
            // Within the limits of this budget.
            let opened = try job.open()
            let start = CompressionJob.Start(
                narrowed: nil, levels: levels, selected: selected, latency: nil, text: text, identity: [], memory: memory)
            let chosen = try job.compressed(opened, start, own)
            let result = try chosen.compressor.recovered(chosen.result, journal: chosen.journal) {
                try checkpoint.rounded($1, as: $0)
            }
            return (result, job.plan(opened, result, text))
        }
        let run = CompressionJob.name(
            of: try job.identity(opened, text, latency, choices: job.recipe.properties))
        var compressor = Compressor(
            recipe: job.recipe, model: opened.loaded.model, calibration: text.calibration, heldOut: text.heldOut,
            limits: [limit], latency: latency.flatMap { job.goal($0, opened, run: run) }, selected: selected,
            context: job.context, progress: progress)
        compressor.memory = memory
        let shared =
            try prepared[job.recipe.families] ?? compressor.prepare(journal: journal, sharing: prepared.values.first)
        prepared[job.recipe.families] = shared
        var result = try compressor.recovered(compressor.solve(shared, journal: own), journal: own) {
            try checkpoint.rounded($1, as: $0)
        }
        if let latency { try job.finish(&result, latency, run: run) }
        return (result, job.plan(opened, result, text))
    }

    /// Bytes of the model's tensors as a choice leaves them, all but the files' headers.
    func storedBytes(of result: Compressor.Result) -> Int {
        let matrices = storedBytes(result.entries.map { ($0.name, $0.choice.cost.storedBytes) })
        guard result.rewrite != nil, let before = opened.loaded.model as? any NetworkModel,
            let after = result.model as? any NetworkModel
        else { return matrices }
        // Vectors are stored as they were, new ones in f32.
        let (old, new) = (Set(before.vectorNames), Set(after.vectorNames))
        func bytes(_ name: String) -> Int {
            let width = opened.loaded.checkpoint.entry(named: name)?.elementType.byteCount ?? 4
            return width * ((after[vector: name]?.count ?? 0) - (before[vector: name]?.count ?? 0))
        }
        return matrices + old.union(new).reduce(0) { $0 + bytes($1) }
    }

    /// Bytes of the model's tensors with some matrices replaced: everything stored but the files' headers.
    func storedBytes(_ replaced: [(name: String, bytes: Int)]) -> Int {
        let names = Set(replaced.map { "\($0.name).weight" })
        let checkpoint = opened.loaded.checkpoint
        let left = checkpoint.tensorNames.filter { !names.contains($0) }.reduce(0) {
            $0 + (checkpoint.entry(named: $1).map(opened.unused.byteCount) ?? 0)
        }
        return left + replaced.reduce(0) { $0 + $1.bytes }
    }

    /// Bytes of all the model's numbers in f16.
    var bytesInF16: Int {
        let checkpoint = opened.loaded.checkpoint
        return checkpoint.tensorNames.reduce(0) { sum, name in
            guard let entry = checkpoint.entry(named: name), entry.elementType.isFloatingPoint else { return sum }
            return sum + 2 * (entry.byteCount / entry.elementType.byteCount)
        }
    }

    /// Multiply-adds of all the model's matrices for one token; tables that are only looked up have none.
    func multiplyAdds(_ model: any TransformerModel) -> Int {
        model.sites.filter { $0.isMultiplied }.reduce(0) { $0 + model[site: $1.name].cost.multiplyAdds }
    }
}

extension Budget {
    /// "25 % of bytes".
    public var text: String { "\(shareText) % of \(quantity.rawValue)" }

    /// "25", "26.6": per cent, as short as it can be said.
    var shareText: String {
        let text = "\((fraction * 100_000).rounded() / 1000)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// "plan-25.json", "plan-macs-50.json".
    var planName: String {
        switch quantity {
        case .bytes: "plan-\(shareText).json"
        case .multiplyAdds: "plan-macs-\(shareText).json"
        case .latency: "plan-latency-\(shareText).json"
        }
    }
}
