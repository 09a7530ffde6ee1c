import Communication
import Foundation
import ModelFiles
import Tensors
import Transformers

/// What a compression begins with, and what runs must agree in to share or continue work.
extension CompressionJob {
    /// What is read and checked before the work begins.
    struct Start {
        /// What the plan narrows the model to; nil where it does not.
        var narrowed: (any TransformerModel)?
        /// How far narrowing is tried.
        var levels: [Double]
        var selected: [MatrixSite]
        var latency: PreparedLatency?
        var text: CalibrationText
        var identity: [(name: String, value: String)]
        var memory: WorkingMemory
    }

    /// - Throws: what `plan` throws before any work.
    func begin(_ opened: Opened) throws -> Start {
        if recipe.latencyBudget != nil {
            guard communicator.isAlone else {
                throw CommunicationError.notTogether(what: "a budget in time is measured on one machine")
            }
            guard !withoutCalibration else {
                throw CompressionError.missingCalibration(reason: "a budget in time needs the model to run")
            }
        }
        let levels = planFile == nil ? try narrowingLevels(opened) : []
        var selected = opened.forecast.selected
        var latency: PreparedLatency?
        if let plan = opened.plan, let planFile {
            // Of a model that is narrowed the matrices are known once it is.
            if plan.rewrite == nil { try plan.check(against: opened.loaded.model.sites, file: planFile) }
            try plan.check(against: recipe, file: planFile)
            let names = Set(plan.entries.map { $0.name })
            let left = Set(plan.left.map { $0.name })
            if let missing = selected.first(where: { !names.contains($0.name) && !left.contains($0.name) }) {
                throw CompressionError.planMismatch(file: planFile, reason: "it says nothing of '\(missing.name)'")
            }
            selected = opened.loaded.model.sites.filter { names.contains($0.name) }
        } else {
            latency = try prepareLatency(opened)
            try check(prices(opened.forecast, latency?.prediction), opened.loaded.model)
        }
        let text = try calibrationText(opened)
        var narrowed: (any TransformerModel)?
        if let plan = opened.plan, let planFile, let rewrite = plan.rewrite {
            let model = try self.narrowed(opened.loaded.model, rewrite, text, progress: progress)
            try plan.check(against: model.sites, file: planFile)
            narrowed = model
        }
        let identity = try identity(opened, text, latency, choices: recipe.properties)
        let memory = try memory(opened, selected, text)
        return Start(
            narrowed: narrowed, levels: levels, selected: selected, latency: latency, text: text, identity: identity,
            memory: memory)
    }

    /// All ranks must have been started on the same thing.
    /// - Throws: `CommunicationError.ranksDiffer`, `.otherRank`.
    func agree(on identity: [(name: String, value: String)]) throws {
        guard !communicator.isAlone else { return }
        let lines = identity.map { "\($0.name)=\($0.value)" }
        let first = try communicator.broadcast(Array(lines.joined(separator: "\n").utf8), from: 0)
        let wanted = Set(String(decoding: first, as: UTF8.self).split(separator: "\n").map(String.init))
        let differs = identity.filter { !wanted.contains("\($0.name)=\($0.value)") }.map(\.name)
        try communicator.together {
            guard differs.isEmpty else {
                throw CommunicationError.ranksDiffer(rank: communicator.rank, what: differs)
            }
        }
    }

    /// What a journal must agree in.
    func identity(
        _ opened: Opened, _ text: CalibrationText, _ latency: PreparedLatency?, choices: [(name: String, value: String)]
    ) throws -> [(name: String, value: String)] {
        var recipeText = Fingerprint()
        for (name, value) in choices { recipeText.add("\(name)=\(value)") }
        if withoutCalibration { recipeText.add("without calibration") }
        if let planFile { try recipeText.add(fileAt: planFile) }
        let table = latency.map { [("latency table", $0.fingerprint)] } ?? []
        return try RunIdentity.of(
            opened.loaded, opened.folder, text: text.fingerprint, images: source(opened), choices: recipeText) + table
    }

    /// The calibration text that was named, or that of the plan that is followed.
    func source(_ opened: Opened) -> CalibrationSource? {
        calibration ?? opened.plan?.calibration.map { CalibrationSource($0.source) }
    }

    /// - Throws: `CompressionError.missingCalibration`, `.planMismatch`; as `CalibrationText.read`.
    func calibrationText(_ opened: Opened) throws -> CalibrationText {
        if withoutCalibration {
            return CalibrationText(calibration: [], heldOut: [], origin: "none: the model was not run")
        }
        guard let source = source(opened) else {
            throw CompressionError.missingCalibration(
                reason: "sensitivities and quality are measured on it, and the activation objective is made of it")
        }
        let text = try CalibrationText.read(
            source, for: opened.loaded, seed: recipe.seed, context: context, progress: progress)
        if calibration == nil, let planned = opened.plan?.calibration, planned.fingerprint != text.fingerprint, let planFile {
            throw CompressionError.planMismatch(
                file: planFile, reason: "its calibration text '\(planned.source)' is another now")
        }
        return text
    }
}
