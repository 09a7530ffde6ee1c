import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

extension CompressionJob {
    typealias PreparedLatency = LatencyPreparation.Prepared

    /// The table of latencies with everything this compression asks of it; nil where latency is no budget.
    /// - Throws: as `LatencyPreparation.prepare`.
    func prepareLatency(_ opened: Opened) throws -> PreparedLatency? {
        guard recipe.latencyBudget != nil else { return nil }
        return try LatencyPreparation(
            model: opened.loaded.model, configuration: Self.configurationName(opened.folder),
            families: recipe.families, precision: recipe.precision, batch: recipe.batch, file: latencyTable,
            context: context, progress: progress
        ).prepare()
    }

    /// Names what a model's folder says of its sizes.
    /// - Throws: `TensorError.fileNotReadable`.
    public static func configurationName(_ folder: ModelFolder) throws -> String {
        var fingerprint = Fingerprint()
        try fingerprint.add(fileAt: folder.file(ModelFolder.configurationFileName))
        return fingerprint.text
    }

    func goal(_ latency: PreparedLatency, _ opened: Opened, run: String) -> LatencyGoal? {
        guard let budget = recipe.latencyBudget else { return nil }
        var prediction = latency.prediction
        let known = prediction.table.corrections[run]
        prediction.correction = known ?? 1
        return LatencyGoal(
            budget: budget, prediction: prediction, isHere: latency.isHere, isSettled: known != nil,
            table: latency.fingerprint, dense: opened.loaded.model, context: context,
            check: { try check($0, opened.loaded.model) }
        )
    }

    /// Keeps what was found out about the prediction, and says what became of the budget.
    func finish(_ result: inout Compressor.Result, _ latency: PreparedLatency, run: String) throws {
        guard let outcome = result.latency else { return }
        let prediction = outcome.prediction
        if latency.isHere, outcome.corrections > 0 {
            var table = prediction.table
            table.record(correction: prediction.correction, of: run)
            try LatencyPreparation.keep(table, in: latency.file)
        }
        result.notes += notes(on: outcome, result)
        latencyOutcome(outcome)
    }

    /// A run's name in a table.
    static func name(of identity: [(name: String, value: String)]) -> String {
        var fingerprint = Fingerprint()
        for (name, value) in identity { fingerprint.add("\(name)=\(value)") }
        return fingerprint.text
    }

    private func notes(on outcome: LatencyOutcome, _ result: Compressor.Result) -> [String] {
        let prediction = outcome.prediction
        let share = (100 * outcome.predictedShare).shortened
        var notes = [
            "predicted to take \(LatencyPrediction.text(outcome.predicted)) of the dense model's "
                + "\(prediction.denseText), \(share) %, by the times \(outcome.table) "
                + "of \(prediction.table.machine)"
        ]
        if prediction.correction != 1 {
            notes.append(
                "products are taken to be \(prediction.correction.shortened) times what the table says: "
                    + "so they were in a compressed model that was timed")
        }
        let interpolated = result.entries.count { $0.latency?.isInterpolated == true }
        notes.append(
            "\(interpolated) of the \(result.entries.count) times lie between two that were measured, "
                + "the others were measured")
        notes += slowForms(prediction, result)
        return notes
    }

    /// What does not pay, so that no one takes it for forgotten.
    private func slowForms(_ prediction: LatencyPrediction, _ result: Compressor.Result) -> [String] {
        guard let sources = try? recipe.sources(for: result.model) else { return [] }
        var seen: Set<MatrixShape> = []
        let sites = result.sites.filter { $0.isMultiplied && seen.insert($0.shape).inserted }
        var notes: [String] = []
        for source in sources where source.family != Dense.family {
            let slow = sites.compactMap { site -> String? in
                let all = source.candidates(for: site, quantity: .latency, precision: recipe.precision)
                let timed = all.filter { prediction.time($0, of: site) != nil }
                let slow = timed.count { !prediction.pays($0, of: site) }
                guard slow > 0 else { return nil }
                return "\(site.shape) (\(slow) of \(timed.count) sizes)"
            }
            guard !slow.isEmpty else { continue }
            notes.append(
                "\(source.name) is no faster than dense with \(prediction.workload.rows) rows, "
                    + "so not used, at "
                    + slow.joined(separator: ", "))
        }
        return notes
    }
}
