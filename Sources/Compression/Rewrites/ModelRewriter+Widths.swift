import LinearAlgebra
import ModelFiles
import Rewriting
import Tensors
import Transformers

/// MoDeGPT (arXiv 2408.09632): neurons, widths of values and widths of queries and keys, each block by its own share.
extension ModelRewriter {
    func narrowWidths(_ model: any NetworkModel) throws -> Outcome {
        let blocks = model.blockSizes.indices
        let names = blocks.flatMap { block in
            [BlockMatrix.query, .down].map { model.inputName(block, $0) }
        }
        let moments = try BlockWalk.moments(
            of: Set(names), in: model, sequences: calibration, context: context, journal: journal,
            progress: report("measuring blocks"))
        let (sizes, ridge) = try sizes(of: model, moments)
        let before = model.blockParameters
        var result = model
        let report = self.report("narrowing")
        var sequential = try SequentialMoments(
            moments, following: method.isSequential ? model : nil, sequences: calibration, context: context)
        for block in blocks {
            report(block, blocks.count)
            let (own, wanted) = (result.blockSizes[block], sizes[block])
            if own.hasWiderHeads(than: wanted) {
                let narrowed = try journal.kept("heads of block \(block) at \(share)") { (found: NarrowedHeads) in
                    found.fit(
                        (wanted.queryKeyWidth, wanted.valueWidth), heads: own.keyValueHeads,
                        readers: own.heads / own.keyValueHeads)
                } make: {
                    let seen = try sequential.moments(of: result.inputName(block, .query), block: block, in: result)
                    return try narrowedHeads(result, block, to: wanted, seen)
                }
                result.setAttentionHeads(block, narrowed)
            }
            guard wanted.feedForwardWidth < own.feedForwardWidth, case .score(let score)? = method.neurons else { continue }
            let narrowed = try journal.kept("neurons of block \(block) at \(share)") { (found: NarrowedUnits) in
                found.units.count == wanted.feedForwardWidth && found.units.allSatisfy { $0 < own.feedForwardWidth }
            } make: {
                let seen = try sequential.moments(of: result.inputName(block, .down), block: block, in: result)
                return try narrowedNeurons(result, block, to: wanted.feedForwardWidth, score, ridge, seen)
            }
            result.narrowFeedForward(block, keeping: narrowed.units, narrowed.reduced)
        }
        report(blocks.count, blocks.count)
        return Outcome(model: result, touched: (before, result.blockParameters))
    }

    /// Sizes of all blocks, and the ridge of compensation.
    private func sizes(of model: any NetworkModel, _ moments: BlockMoments) throws -> (sizes: [BlockSizes], ridge: Double) {
        switch method.division {
        case .measured: try measuredSizes(of: model, moments)
        case .blocks(let rule): (try sizes(of: model, rule, importance(rule, moments)), ridge)
        case .uniform, .pooled, .split, .latency:
            (try sizes(of: model, .softmax(epsilon: .infinity), model.blockSizes.map { _ in 0 }), ridge)
        }
    }

    /// Heads of widths that `hasWiderHeads` says are narrower.
    func narrowedHeads(
        _ model: any NetworkModel, _ block: Int, to sizes: BlockSizes, _ moments: BlockMoments
    ) throws -> NarrowedHeads {
        let (own, name) = (model.blockSizes[block], model.inputName(block, .query))
        guard let seen = moments.inputs[name] else {
            throw RewritingError.keepsNothing(part: name, kept: 0, of: own.keyValueHeads)
        }
        let movesMean = model.linear(block, .attentionOutput).bias != nil
        let heads = model.attentionHeads(block)
        let rotates = model.hasRotaryPositions
        let reduced = try context.parallelMap(heads.count) { index -> (AttentionHead, [Double]?, [Int]) in
            let (head, offset) = try ValueOutputReduction(heads[index], moments: seen, movesMean: movesMean)
                .reduced(to: sizes.valueWidth)
            guard sizes.queryKeyWidth < own.queryKeyWidth else {
                return (head, offset, Array(0..<own.queryKeyWidth / 2))
            }
            guard rotates else {
                return (try QueryKeyReduction(head, moments: seen).reduced(to: sizes.queryKeyWidth), offset, [])
            }
            let scores = RotaryPairs.scores(head, moments: seen)
            let group = UnitGroup(block: block, scores: scores, price: 1)
            let pairs = group.best(sizes.queryKeyWidth / 2)
            return (head.keeping(pairs: pairs), offset, pairs)
        }
        var pairs: [Int]?
        if rotates, sizes.queryKeyWidth < own.queryKeyWidth || own.rotaryPairs != nil {
            let half = own.queryKeyWidth / 2
            pairs = reduced.enumerated().flatMap { index, one in
                one.2.map { own.rotaryPairs?[index * half + $0] ?? $0 }
            }
        }
        let offsets = reduced.compactMap(\.1)
        let offset = offsets.first.map { first in
            offsets.dropFirst().reduce(first) { zip($0, $1).map { $0 + $1 } }
        }
        return NarrowedHeads(heads: reduced.map(\.0), rotaryPairs: pairs, offset: offset)
    }

    private func narrowedNeurons(
        _ model: any NetworkModel, _ block: Int, to width: Int, _ score: UnitScore, _ ridge: Double, _ moments: BlockMoments
    ) throws -> NarrowedUnits {
        guard let part = try model.feedForwardPart(block, moments) else {
            throw RewritingError.keepsNothing(part: model.siteName(block, .down), kept: 0, of: width)
        }
        let units = UnitGroup(block: block, scores: try score.scores(of: part), price: 1).best(width)
        return NarrowedUnits(
            units: units, reduced: try method.compensation.apply(to: part, keeping: units, relativeRidge: ridge))
    }

    /// Sizes of all blocks, of at most the share of their parameters: the nominal share that gives it is found by bisection,
    /// because widths are whole numbers and queries and keys go at their own pace.
    private func sizes(of model: any NetworkModel, _ rule: SharesByBlock, _ importance: [Double]) throws -> [BlockSizes] {
        let before = model.blockSizes
        func at(_ nominal: Double) -> [BlockSizes] {
            zip(before.indices, rule.shares(keeping: nominal, importance: importance)).map { block, share in
                let own = before[block]
                var sizes = own
                func scaled(_ width: Int, _ share: Double, _ multiple: Int) -> Int {
                    min(width, max(multiple, Int((share * Double(width) / Double(multiple)).rounded(.down)) * multiple))
                }
                if method.neurons != nil, own.feedForwardWidth > 0 {
                    sizes.feedForwardWidth = scaled(own.feedForwardWidth, share, own.feedForwardWidth < 64 ? 1 : Self.neuronMultiple)
                }
                if own.heads > 0 {
                    sizes.valueWidth = scaled(own.valueWidth, share, 1)
                    if model.channelsCanGo(block) {
                        sizes.queryKeyWidth = scaled(own.queryKeyWidth, 1 - (1 - share) * method.queryKeyPace, 2)
                    }
                }
                return sizes
            }
        }
        func parameters(_ sizes: [BlockSizes]) -> Int {
            sizes.indices.reduce(0) { $0 + model.parameters(block: $1, sizes: sizes[$1]) }
        }
        let limit = share * Double(parameters(before))
        var (low, high) = (0.0, 1.0)
        if Double(parameters(at(1))) <= limit { return at(1) }
        guard Double(parameters(at(1e-9))) <= limit else {
            throw RewritingError.unreachable(
                target: "\((1000 * share).rounded() / 10) %",
                least: "\((1000 * Double(parameters(at(1e-9))) / Double(parameters(before))).rounded() / 10) %")
        }
        for _ in 0..<40 {
            let middle = (low + high) / 2
            if Double(parameters(at(middle))) <= limit { low = middle } else { high = middle }
        }
        return at(max(low, 1e-9))
    }
}

extension NetworkModel {
    /// Whether heads' queries and keys can lose channels: a norm over a head's channels would no longer be what it was.
    func channelsCanGo(_ block: Int) -> Bool {
        let norms = headNorms(block)
        return norms.query == nil && norms.key == nil
    }

    /// Parameters of a block's matrices at other sizes.
    func parameters(block: Int, sizes: BlockSizes) -> Int {
        let width = linear(block, .attentionOutput).weight.shape.rows
        let attention = (sizes.heads + sizes.keyValueHeads) * (sizes.queryKeyWidth + sizes.valueWidth)
        return width * (attention + (isGated(block) ? 3 : 2) * sizes.feedForwardWidth)
    }
}

extension BlockSizes {
    /// Whether its heads, if there are any, become narrower at other sizes.
    func hasWiderHeads(than sizes: BlockSizes) -> Bool {
        heads > 0 && (sizes.valueWidth < valueWidth || sizes.queryKeyWidth < queryKeyWidth)
    }
}

extension AttentionHead {
    /// Keeps pairs of channels (i, i + width / 2); scores are divided by the root of the new width.
    func keeping(pairs: [Int]) -> AttentionHead {
        let half = key.rows / 2
        let channels = pairs + pairs.map { $0 + half }
        let scale = (Double(channels.count) / Double(key.rows)).squareRoot()
        var result = self
        func rows(_ matrix: DoubleMatrix, _ scale: Double) -> DoubleMatrix {
            DoubleMatrix(rows: channels.count, columns: matrix.columns) { scale * matrix[channels[$0], $1] }
        }
        result.queries = queries.map { rows($0, scale) }
        result.queryBiases = queryBiases.map { bias in channels.map { scale * bias[$0] } }
        result.key = rows(key, 1)
        result.keyBias = channels.map { keyBias[$0] }
        return result
    }
}
