import Fitting
import StructuredMatrices
import Tensors
import Transformers

extension Compressor {
    /// Weights that models may have for allocations to be refined by measuring the model without being asked to: each of
    /// some hundred measurements fits a few matrices anew and runs the model.
    static let mostWeightsRefined = 64_000_000

    /// Several strategies share the budget out; the allocation whose model is closest to the original on the held-out
    /// sequences is kept.
    func choose(
        _ table: CandidateTable, _ sensitivities: [Double], _ distance: OutputDistance, _ prices: CandidatePrices
    ) throws -> Result {
        let sampled = try OutputDistance(
            original: original, sequences: OutputDistance.sample(of: calibration).map { calibration[$0] },
            context: context)
        let problem = AllocationProblem(
            table: table, prices: prices, model: model, sensitivities: sensitivities, calibration: calibration,
            sampled: sampled, unchanged: isNarrowed ? try sampled(model, context: context) : 0, context: context,
            seed: recipe.seed)
        var trials = AllocationTrials(problem: problem, distance: distance)
        let (strategies, refinements) = try AllocationStrategies.named(recipe.allocators)
        for strategy in strategies {
            guard let answer = try strategy.allocate(problem) else {
                trials.notes.append("\(strategy.name): no answer for this model and budget")
                continue
            }
            try trials.consider([answer], strategy.name, progress: report("fitting: \(strategy.name)"))
        }
        let weights = selected.reduce(0) { $0 + $1.shape.count }
        let isRefined = refines && (!recipe.allocators.isEmpty || weights <= Self.mostWeightsRefined)
        for refinement in refinements where isRefined {
            guard let start = trials.best else { break }
            let answers = try refinement.improve(
                start.answer, problem, progress: report("allocating: \(refinement.name)"))
            try trials.consider(answers, refinement.name, progress: report("fitting: \(refinement.name)"))
        }
        guard let best = trials.best else {
            throw CompressionError.notFinite(matrix: "the compressed model", what: "every allocation's output")
        }
        let gap = best.answer.gap.map { ", at most \((100 * $0).shortened) % above the optimum of its table" } ?? ""
        let chosen = problem.chosen(best.answer.choices)
        var notes = trials.notes + ["kept: \(best.name)\(gap)"]
        let compared = try table.fits(chosen.map(\.candidate))
        let fits = try table.fits(
            chosen.map(\.candidate), isFinal: true, progress: report("fitting what was chosen"))
        var reached = best.distance
        if zip(compared, fits).contains(where: { $0.relativeError != $1.relativeError }) {
            reached = try distance(replaced(fits), context: context)
                + problem.unseen(best.answer.choices, in: "held-out", by: distance)
            notes.append("fitted with more care: output distance \(reached.shortened) on held-out text")
        }
        var result = try result(table, fits, choices: chosen, sensitivities: sensitivities, notes: notes)
        result.distance = reached
        return result
    }
}
