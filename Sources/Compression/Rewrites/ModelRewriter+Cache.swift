import Rewriting
import Tensors
import Transformers

/// MatryoshkaKV (arXiv 2410.14731) without its training: every head keeps the first of its principal directions of keys and
/// values. What is shared out is the numbers of a token that the cache keeps.
extension ModelRewriter {
    func narrowCache(_ model: any NetworkModel, _ ranks: CacheRanks) throws -> Outcome {
        let bases = try journal.kept("directions of caches") { (found: CacheBases) in
            found.fit(model.blockSizes)
        } make: {
            try CacheBases(model, sequences: calibration, context: context, progress: report("measuring caches"))
        }
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
            report("narrowing caches")(block, bases.keys.count)
            let heads = bases.keys[block].count
            result.narrowCache(
                block, keys: bases.keys[block], values: bases.values[block], keyRanks: Array(chosen[place..<place + heads]),
                valueRanks: Array(chosen[place + heads..<place + 2 * heads]))
            place += 2 * heads
        }
        report("narrowing caches")(bases.keys.count, bases.keys.count)
        return Outcome(model: result, touched: (before, result.cachedNumbers))
    }

    /// What each head's keys, and values, cost the output at every rank: measured at some, this side of this head cut alone, and
    /// between them by the mean square that is left out.
    private func losses(_ model: any NetworkModel, _ bases: CacheBases) throws -> [[Double]] {
        let sequences = calibration.prefix(Self.measuredSequences).map { Array($0.prefix(Self.measuredTokens)) }
        let distance = try OutputDistance(original: model, sequences: sequences, context: context)
        var losses: [[Double]] = []
        let sides = bases.keys.reduce(0) { $0 + 2 * $1.count }
        for block in bases.keys.indices {
            let (keys, values) = (bases.keys[block], bases.values[block])
            for (isValue, side) in [(false, keys), (true, values)] {
                for head in side.indices {
                    report("measuring heads")(losses.count, sides)
                    let width = side[head].mean.count
                    var measured = [width: 0.0]
                    for rank in Set(Self.measuredEighths.map { max(1, width * $0 / 8) }) where rank < width {
                        var (keyRanks, valueRanks) = (keys.map(\.mean.count), values.map(\.mean.count))
                        if isValue { valueRanks[head] = rank } else { keyRanks[head] = rank }
                        var trial = model
                        trial.narrowCache(block, keys: keys, values: values, keyRanks: keyRanks, valueRanks: valueRanks)
                        let key = "distance at \(rank) of \(isValue ? "values" : "keys") of head \(head) of block \(block)"
                        measured[rank] = max(0, try journal.kept(key) { try distance(trial, context: context) })
                    }
                    losses.append(Self.curve(measured, errors: side[head].errors))
                }
            }
        }
        report("measuring heads")(sides, sides)
        return losses
    }

    /// Ranks that are measured, in eighths of all directions; sequences that they are measured on, and tokens of each.
    private static let measuredEighths = [1, 2, 4, 6]
    private static let measuredSequences = 4
    private static let measuredTokens = 128

    /// Losses at every rank, falling: linear in the mean square that is left out between what was measured.
    private static func curve(_ measured: [Int: Double], errors: [Double]) -> [Double] {
        let ranks = measured.keys.sorted()
        var curve = errors.indices.map { rank -> Double in
            let high = ranks.first { $0 >= rank } ?? errors.count - 1
            let above = measured[high] ?? 0
            guard let low = ranks.last(where: { $0 <= rank }), let below = measured[low] else {
                return errors[high] > 0 ? above * errors[rank] / errors[high] : above
            }
            let span = errors[low] - errors[high]
            return span > 0 ? above + (below - above) * (errors[rank] - errors[high]) / span : above
        }
        for rank in curve.indices.dropLast().reversed() { curve[rank] = max(curve[rank], curve[rank + 1]) }
        return curve
    }
}
