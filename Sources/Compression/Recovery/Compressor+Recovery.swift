import Fitting
import StructuredMatrices
import Tensors
import Transformers

extension Compressor {
    /// The result with quality won back by the recipe's steps, one after the other, each kept only where the model's outputs
    /// come closer to the original's on the held-out sequences; candidates and their costs stay, but for corrections from
    /// bytes that the budget has left.
    ///
    /// A step is one walk through the layers, or a few of them: about ten runs of both models over the calibration text,
    /// and fits of all matrices. What was found is journaled input by input.
    /// - Parameters:
    ///   - plan: what was followed, if a plan was: its bytes are the budget then.
    ///   - rounding: numbers of a tensor of the checkpoint (a bias, a norm) as they will be stored.
    /// - Throws: `CompressionError`, `FittingError`, `TransformersError`.
    func recovered(
        _ result: Result, plan: Plan? = nil, journal: Journal,
        rounding: @escaping @Sendable (_ tensor: String, _ values: [Float]) throws -> [Float]
    ) throws -> Result {
        guard !recipe.recoverySteps.isEmpty, let shortest = calibration.min(by: { $0.count < $1.count }) else { return result }
        guard let dense = original as? any NetworkModel, let whole = model as? any NetworkModel,
            let compressed = result.model as? any NetworkModel
        else {
            var result = result
            result.notes.append("recovery: not for this architecture, whose layers cannot be run one at a time")
            return result
        }
        let table = result.table
        let fits = Dictionary(
            zip(result.entries, result.fits).map { ($0.name, $1) }, uniquingKeysWith: { first, _ in first })
        let candidates = Dictionary(
            result.entries.map { ($0.name, $0.choice.candidate) }, uniquingKeysWith: { first, _ in first })
        var digest = Fingerprint()
        for entry in result.entries { digest.add("\(entry.name) \(entry.choice.candidate.label)") }
        var search = RecoverySearch(
            walks: RecoveryWalks(
                table: table, dense: dense, whole: whole, candidates: candidates, sequences: calibration, journal: journal,
                key: "recovery/\(digest.text)", context: context,
                isMemoryScarce: memory.isScarce, rounding: rounding,
                inputs: try ForwardWalk.inputs(of: dense, sequence: shortest)),
            distance: try result.outputs ?? OutputDistance(original: original, sequences: heldOut, context: context),
            state: RecoveredModel(model: compressed, matrices: fits.mapValues(\.matrix)), report: report)
        try search.run(recipe.recoverySteps, room: room(plan, result), sensitivities: result.entries)
        return try self.result(result, search, table)
    }

    /// Bytes that the budget has left; 0 where bytes are not all that was asked for.
    private func room(_ plan: Plan?, _ result: Result) -> Int {
        let spent = result.fits.reduce(0) { $0 + $1.matrix.cost.storedBytes }
        if let plan {
            return max(0, plan.entries.reduce(0) { $0 + $1.choice.cost.storedBytes } - spent)
        }
        return recipe.budgets.map(\.quantity) == [.bytes] ? max(0, limits[0] - spent) : 0
    }

    private func result(_ old: Result, _ search: RecoverySearch, _ table: CandidateTable) throws -> Result {
        var result = old
        result.notes += search.notes
        result.model = search.state.model
        result.vectors = search.state.vectors
        guard search.isChanged else { return old.adding(search.notes) }
        let matrices = search.state.matrices
        let measured = try context.parallelMap(old.entries.count, progress: report("recovery: errors")) { index in
            let fit = old.fits[index]
            guard let matrix = matrices[old.entries[index].name] else { return fit }
            return try table.candidateContext(table.sites[index]).assessed(
                AnyFit(matrix: matrix, relativeError: fit.relativeError, trace: fit.trace, refinement: fit.refinement))
        }
        result.fits = measured
        result.entries = zip(old.entries, measured).map { entry, fit in
            Plan.Entry(
                name: entry.name, shape: entry.shape,
                choice: AssessedCandidate(
                    candidate: entry.choice.candidate, cost: fit.matrix.cost, relativeError: fit.relativeError),
                sensitivity: entry.sensitivity, latency: entry.latency)
        }
        return result
    }
}

extension Compressor.Result {
    fileprivate func adding(_ notes: [String]) -> Self {
        var result = self
        result.notes += notes
        return result
    }
}
