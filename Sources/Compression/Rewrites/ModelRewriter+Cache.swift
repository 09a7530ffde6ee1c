import Rewriting
import Tensors
import Transformers

/// MatryoshkaKV (arXiv 2410.14731) without its training: every head keeps the first of its principal directions of keys and
/// values. What is shared out is the numbers of a token that the cache keeps.
extension ModelRewriter {
    func narrowCache(_ model: any NetworkModel, _ ranks: CacheRanks) throws -> Outcome {
        let bases = try CacheBases(model, sequences: calibration, context: context, progress: report("measuring caches"))
        let before = model.cachedNumbers
        let widths = zip(bases.keys, bases.values).flatMap { keys, values in (keys + values).map { $0.mean.count } }
        let step = max(1, (widths.min() ?? 1) / 8)
        let budget = RankBudget(widths: widths, step: step)
        let total = Int(share * Double(before) + 1e-9) / step * step
        let chosen =
            switch ranks {
            case .uniform: try budget.uniform(total: total)
            case .greedy: try budget.greedy(total: total, losses: try losses(model, bases))
            }
        var result = model
        var place = 0
        for block in bases.keys.indices {
            let heads = bases.keys[block].count
            result.narrowCache(
                block, keys: bases.keys[block], values: bases.values[block], keyRanks: Array(chosen[place..<place + heads]),
                valueRanks: Array(chosen[place + heads..<place + 2 * heads]))
            place += 2 * heads
        }
        return Outcome(model: result, touched: (before, result.cachedNumbers))
    }

    /// What each head's keys, and values, cost the output at every rank: the mean square that is left out, times the output
    /// distance by mean square that was measured at half of the directions of this head alone.
    private func losses(_ model: any NetworkModel, _ bases: CacheBases) throws -> [[Double]] {
        let distance = try OutputDistance(original: model, sequences: calibration, context: context).sample
        var losses: [[Double]] = []
        let sides = bases.keys.reduce(0) { $0 + 2 * $1.count }
        for block in bases.keys.indices {
            let (keys, values) = (bases.keys[block], bases.values[block])
            for (isValue, side) in [(false, keys), (true, values)] {
                for head in side.indices {
                    report("measuring heads")(losses.count, sides)
                    var (keyRanks, valueRanks) = (keys.map(\.mean.count), values.map(\.mean.count))
                    let half = max(1, side[head].mean.count / 2)
                    if isValue { valueRanks[head] = half } else { keyRanks[head] = half }
                    var trial = model
                    trial.narrowCache(block, keys: keys, values: values, keyRanks: keyRanks, valueRanks: valueRanks)
                    let errors = side[head].errors
                    let measured = max(0, try distance(trial, context: context))
                    let scale = errors[half] > 0 ? measured / errors[half] : 0
                    losses.append(errors.map { $0 * scale })
                }
            }
        }
        report("measuring heads")(sides, sides)
        return losses
    }
}
