import Tensors

extension LlamaModel: BlockwiseModel {
    public var blockCount: Int { layers.count }
    public var hiddenSize: Int { configuration.hiddenSize }

    public func inputs(ofBlock index: Int) -> [String] {
        let inputs = LayerInputs(Self.layerName(prefix, index))
        let own = [inputs.attention, inputs.attentionOutput, inputs.feedForward, inputs.down]
        return index == layers.count - 1 ? own + [Self.headInput] : own
    }

    public func batches(_ sequences: [[Int]]) -> [Range<Int>] {
        SequenceBatch.runs(sequences, maximumTokens: Self.tokensPerBatch)
    }

    public func observe(
        _ sequences: [[Int]], block: Int, hidden: Matrix?, context: ExecutionContext, observer: ActivationObserver
    ) throws -> Matrix {
        try check(sequences)
        let batch = SequenceBatch(sequences)
        let pass = LlamaPass(
            self, batch, caches: [], wanted: Array(batch.tokens.indices), isObserved: true,
            layers: block..<block + 1, entering: hidden, members: context.largestTeam)
        defer { pass.deallocate() }
        WorkerPool.shared.run(members: context.threads) { worker in
            pass.run(worker, scores: nil, observer: observer)
        }
        return Matrix(copying: pass.output)
    }
}
