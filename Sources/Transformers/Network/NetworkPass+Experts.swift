import Tensors

/// Feed-forward networks whose neurons are experts.
extension NetworkPass {
    /// hidden += what the chosen experts of a block give, and what stands for the others; the network's bias is left out.
    /// Tokens are grouped by expert, so that each one's matrices are read once, and those of experts without tokens never.
    /// Returns false, and does nothing, where experts do not run one by one.
    func addExperts(_ layer: Int, to hidden: MutableMatrixView, _ share: TokenShare, _ worker: Worker) -> Bool {
        guard !isObserved, let experts = network.blocks[layer].experts,
            let prepared = network.blocks[layer].preparedExperts
        else { return false }
        let input = normalised(hidden, network.blocks[layer].feedForwardNorm, share)
        let scores = score(experts, input, share)
        share.barrier()
        let routing = Routing(scores.readable, active: experts.sizes.active)
        let pairs = routing.tokens.count
        let size = network.blocks[layer].sizes.feedForwardWidth / experts.sizes.count
        let isGated = network.blocks[layer].isGated
        func wide(_ memory: MutableMatrixView) -> MutableMatrixView {
            MutableMatrixView(base: memory.base, rows: pairs, columns: size)
        }
        let (gate, up) = (wide(gate), wide(up))
        let result = isGated ? gate : up
        // One token is read where it lies.
        let isSingle = input.rows == 1
        let inputs = isSingle ? input : expertMemory.inputs.rows(0..<pairs)
        if !isSingle {
            for pair in worker.share(of: pairs) {
                inputs.row(pair).update(from: input.row(routing.tokens[pair]), count: input.columns)
            }
            worker.barrier()
        }
        func forEachExpert(_ body: (_ expert: PreparedExperts.Expert, _ rows: Range<Int>) -> Void) {
            for expert in prepared.experts.indices {
                let rows = routing.offsets[expert]..<routing.offsets[expert + 1]
                if !rows.isEmpty { body(prepared.experts[expert], rows) }
            }
        }
        forEachExpert { expert, rows in
            let own = isSingle ? inputs : inputs.rows(rows)
            expert.gate?.apply(own.readable, into: gate.rows(rows), scratch: productScratch, worker: worker)
            expert.up.apply(own.readable, into: up.rows(rows), scratch: productScratch, worker: worker)
        }
        worker.barrier()
        let block = network.blocks[layer]
        worker.forEachPiece(of: result) { pair, columns in
            let expert = routing.offsets.partitioningIndex { $0 > pair } - 1
            activate(
                block, gate: gate.row(pair) + columns.lowerBound, up: up.row(pair) + columns.lowerBound,
                columns: expert * size + columns.lowerBound..<expert * size + columns.upperBound)
        }
        worker.barrier()
        let outputs = expertMemory.outputs.rows(0..<pairs)
        forEachExpert { expert, rows in
            expert.down.apply(result.rows(rows).readable, into: outputs.rows(rows), scratch: productScratch, worker: worker)
        }
        worker.barrier()
        for token in share.rows {
            for pair in routing.pairs(of: token) {
                Kernels.best.addScaled(hidden.row(token), outputs.row(pair), experts.scale, hidden.columns)
            }
            addMeans(experts, without: routing.experts(of: token), to: hidden.row(token), hidden.columns)
        }
        return true
    }

    /// Sets what the neurons of experts that were not chosen give to nothing, for matrices that are run whole.
    func keepChosen(
        _ layer: Int, _ input: MutableMatrixView, _ wide: MutableMatrixView, _ share: TokenShare, _ worker: Worker
    ) {
        guard let experts = network.blocks[layer].experts else { return }
        let scores = score(experts, input, share)
        let size = wide.columns / experts.sizes.count
        for token in worker.share(of: wide.rows) {
            let row = scores.row(token)
            for expert in 0..<experts.sizes.count {
                let neurons = wide.row(token) + expert * size
                if Routing.rank(of: expert, in: row, count: experts.sizes.count) >= experts.sizes.active {
                    neurons.update(repeating: 0, count: size)
                } else if experts.scale != 1 {
                    for neuron in 0..<size { neurons[neuron] *= experts.scale }
                }
            }
        }
        worker.barrier()
    }

    /// hidden += what stands for experts that were not chosen, of this member's tokens; behind `keepChosen`.
    func addMeans(_ layer: Int, to hidden: MutableMatrixView, _ share: TokenShare) {
        guard let experts = network.blocks[layer].experts, experts.means != nil else { return }
        let scores = scores(experts, share)
        for token in share.rows {
            let chosen = (0..<experts.sizes.count).filter {
                Routing.rank(of: $0, in: scores.row(token), count: experts.sizes.count) < experts.sizes.active
            }
            addMeans(experts, without: chosen[...], to: hidden.row(token), hidden.columns)
        }
    }

    private func addMeans(
        _ experts: RoutedExperts, without chosen: ArraySlice<Int>, to row: UnsafeMutablePointer<Float>, _ width: Int
    ) {
        experts.means?.withView { means in
            for expert in 0..<experts.sizes.count where !chosen.contains(expert) {
                Kernels.best.add(row, means.row(expert), width)
            }
        }
    }

    /// The router's scores of this member's tokens, tokens x experts.
    private func score(_ experts: RoutedExperts, _ input: MutableMatrixView, _ share: TokenShare) -> MutableMatrixView {
        let scores = scores(experts, share)
        experts.router.withView { router in
            for row in share.rows {
                for expert in 0..<scores.columns {
                    scores.row(row)[expert] =
                        experts.bias[expert] + Kernels.best.dot(input.row(row), router.row(expert), input.columns)
                }
            }
        }
        return scores
    }

    private func scores(_ experts: RoutedExperts, _ share: TokenShare) -> MutableMatrixView {
        view(expertMemory.scores[share.copy], columns: experts.sizes.count)
    }
}

extension RandomAccessCollection where Index == Int {
    /// The first index whose element the predicate holds of, where it holds of all that follow; `endIndex` without.
    fileprivate func partitioningIndex(_ predicate: (Element) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
