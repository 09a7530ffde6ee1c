import LinearAlgebra
import ModelFiles
import Rewriting
import Tensors
import Transformers

/// Sizes by what they do to the model's output: every part of every block is narrowed alone, slightly and hard, the change of
/// the output is measured, and a power law through both tells the harm of every width. The widths of least total harm within
/// the share are a knapsack; what parts weigh against each other is then searched for (SPDY, as in ZipLM) by the output of
/// models with all parts narrowed. Outputs are those of held-out text.
extension ModelRewriter {
    /// What a part of a block loses at every width that it may get.
    private struct Ladder: Sendable {
        enum Part: Sendable, CaseIterable { case neurons, values, channels }
        let block: Int
        let part: Part
        /// Descending from all.
        let widths: [Int]
        /// Squared error of the part's output, relative to that of a part that is gone.
        let errors: [Double]

        /// The index of the width nearest to a share of the whole.
        func index(at share: Double) -> Int {
            let wanted = share * Double(widths[0])
            return widths.indices.min { abs(Double(widths[$0]) - wanted) < abs(Double(widths[$1]) - wanted) } ?? 0
        }

        func set(_ sizes: inout BlockSizes, to index: Int) {
            switch part {
            case .neurons: sizes.feedForwardWidth = widths[index]
            case .values: sizes.valueWidth = widths[index]
            case .channels: sizes.queryKeyWidth = widths[index]
            }
        }
    }

    /// Shares of a part's width that are measured.
    private static let probes = [0.75, 0.4]
    /// Widths of a feed-forward part that are told apart at most.
    private static let mostWidths = 64
    private static let evaluationsPerLadder = 3
    private static let mostEvaluations = 64

    /// What compensation is tried with: how far text that it was not fitted to goes along differs from model to model.
    private static let ridges = [1e-4, 1e-2, 0.1, 0.3, 1]

    /// Sizes of all blocks, and the ridge of compensation.
    /// - Throws: `RewritingError.unreachable`; what measuring throws.
    func measuredSizes(of model: any NetworkModel, _ moments: BlockMoments) throws -> (sizes: [BlockSizes], ridge: Double) {
        let before = model.blockSizes
        let orders = try context.parallelMap(before.count, progress: report("finding the order of removal")) { block in
            try model.feedForwardPart(block, moments).map { try StructuredRemoval($0) }
        }
        let ladders = try before.indices.flatMap { try self.ladders(model, $0, orders[$0], moments) }
        let judging = heldOut.isEmpty ? calibration : heldOut
        let sample = OutputDistance.sample(of: judging).map { judging[$0] }
        let distance = try OutputDistance(original: model, sequences: sample, context: context)
        func sizes(_ choices: [Int]) -> [BlockSizes] {
            var result = before
            for (ladder, choice) in zip(ladders, choices) { ladder.set(&result[ladder.block], to: choice) }
            return result
        }
        func measure(_ choices: [Int], _ ridge: Double) throws -> Double {
            try journal.kept("distance of parts at \(choices) with ridge \(ridge)") {
                try distance(stitched(model, sizes(choices), orders, ridge, moments), context: context)
            }
        }
        // At one share, so that all shares of a model have the same.
        let neurons = ladders.map { $0.part == .neurons ? $0.index(at: Self.probes[0]) : 0 }
        var ridge = self.ridge
        if method.ridge == nil, neurons.contains(where: { $0 > 0 }) {
            let distances = try Self.ridges.map { try measure(neurons, $0) }
            ridge = zip(Self.ridges, distances).min { $0.1 < $1.1 }?.0 ?? ridge
        }
        let report = self.report("narrowing parts one by one")
        let damages = try ladders.enumerated().map { place, ladder in
            report(place, ladders.count)
            let points = try Self.probes.map { share in
                var choices = ladders.map { _ in 0 }
                choices[place] = ladder.index(at: share)
                return (error: ladder.errors[choices[place]], damage: try measure(choices, ridge))
            }
            let curve = DamageCurve(points)
            return ladder.errors.map { curve($0) }
        }
        let prices = ladders.map { ladder in
            ladder.widths.indices.map { index in
                var own = before[ladder.block]
                ladder.set(&own, to: index)
                return model.parameters(block: ladder.block, sizes: own)
                    - model.parameters(block: ladder.block, sizes: before[ladder.block])
            }
        }
        // Prices count from the least that a part may be, so that none is negative.
        let least = prices.map { $0.min() ?? 0 }
        let whole = before.indices.reduce(0) { $0 + model.parameters(block: $1, sizes: before[$1]) }
        let floor = whole + least.reduce(0, +)
        let limit = Int(share * Double(whole)) - floor
        guard limit >= 0 else {
            throw RewritingError.unreachable(
                target: "\((1000 * share).rounded() / 10) %",
                least: "\((1000 * Double(floor) / Double(whole)).rounded() / 10) %")
        }
        func solve(_ coefficients: [Double]) throws -> [Int] {
            let table = ladders.indices.map { place in
                zip(prices[place], damages[place]).map { price, damage in
                    AllocationChoice(cost: price - least[place], damage: coefficients[place] * damage)
                }
            }
            return try Allocator().solve(table, budget: limit, quantity: "parameters").choices
        }
        let search = CoefficientSearch(
            evaluations: min(Self.mostEvaluations, Self.evaluationsPerLadder * ladders.count), seed: seed)
        let start = try solve(ladders.map { _ in 1 })
        let found = try search(
            from: start, solve: solve, measure: { try measure($0, ridge) }, progress: self.report("searching what parts weigh"))
        return (sizes(found.steps.last?.choices ?? start), ridge)
    }

    private func ladders(
        _ model: any NetworkModel, _ block: Int, _ removal: StructuredRemoval?, _ moments: BlockMoments
    ) throws -> [Ladder] {
        let sizes = model.blockSizes[block]
        var result: [Ladder] = []
        if method.neurons != nil, let removal {
            let all = sizes.feedForwardWidth
            let multiple = all < 64 ? 1 : Self.neuronMultiple
            let step = max(1, all / Self.mostWidths / multiple) * multiple
            let widths = [all] + stride(from: step, to: all, by: step).reversed()
            result.append(
                Ladder(block: block, part: .neurons, widths: widths, errors: widths.map { removal.relativeError(keeping: $0) }))
        }
        guard sizes.heads > 0, let seen = moments.inputs[model.inputName(block, .query)] else { return result }
        let movesMean = model.linear(block, .attentionOutput).bias != nil
        let rotates = model.hasRotaryPositions
        let heads = model.attentionHeads(block)
        let spectra = try context.parallelMap(heads.count) { index in
            (
                values: try ValueOutputReduction(heads[index], moments: seen, movesMean: movesMean).singularValues,
                channels: rotates
                    ? RotaryPairs.scores(heads[index], moments: seen).sorted(by: >).flatMap { [$0, $0] }
                    : try QueryKeyReduction(heads[index], moments: seen).singularValues
            )
        }
        result.append(Self.ladder(block, .values, spectra.map(\.values), step: 1))
        if method.queryKeyPace > 0, model.channelsCanGo(block) {
            result.append(Self.ladder(block, .channels, spectra.map(\.channels), step: 2))
        }
        return result
    }

    /// Widths of all heads by what they leave of the squared singular values.
    private static func ladder(_ block: Int, _ part: Ladder.Part, _ spectra: [[Double]], step: Int) -> Ladder {
        let all = spectra[0].count
        let widths = Array(stride(from: all, through: min(step, all), by: -step))
        func energy(_ values: some Sequence<Double>) -> Double { values.reduce(0) { $0 + $1 * $1 } }
        let total = spectra.reduce(0) { $0 + energy($1) }
        return Ladder(
            block: block, part: part, widths: widths,
            errors: widths.map { width in
                total > 0 ? spectra.reduce(0) { $0 + energy($1.dropFirst(width)) } / total : 0
            })
    }

    /// All blocks at their sizes, by moments of the model as it was.
    private func stitched(
        _ model: any NetworkModel, _ sizes: [BlockSizes], _ orders: [StructuredRemoval?], _ ridge: Double,
        _ moments: BlockMoments
    ) throws -> any NetworkModel {
        let before = model.blockSizes
        let reduced = try context.parallelMap(sizes.count) { block -> (units: [Int], result: Compensation.Result)? in
            let width = sizes[block].feedForwardWidth
            guard width < before[block].feedForwardWidth, let order = orders[block],
                let part = try model.feedForwardPart(block, moments)
            else { return nil }
            let units = order.kept(width)
            return (units, try method.compensation.apply(to: part, keeping: units, relativeRidge: ridge))
        }
        var result = model
        for block in sizes.indices {
            if before[block].hasWiderHeads(than: sizes[block]) {
                result.setAttentionHeads(block, try narrowedHeads(model, block, to: sizes[block], moments))
            }
            if let (units, one) = reduced[block] { result.narrowFeedForward(block, keeping: units, one) }
        }
        return result
    }
}
