import Tensors

extension NetworkModel {
    public var blockCount: Int { network.blocks.count }
    public var hiddenSize: Int { network.width }

    public func inputs(ofBlock index: Int) -> [String] {
        let block = network.blocks[index]
        var result = index == 0 ? [network.input.projection].compactMap { $0.map { "\($0) input" } } : []
        for matrix in block.matrices where !result.contains(block.names.input(of: matrix)) {
            result.append(block.names.input(of: matrix))
        }
        guard index == blockCount - 1 else { return result }
        if let projection = network.output.projection { result.append("\(projection) input") }
        return network.headPlace == nil ? result : result + [Network.headInput]
    }

    public func batches(_ sequences: [[Int]]) -> [Range<Int>] {
        SequenceBatch.runs(sequences, maximumTokens: Network.tokensPerBatch)
    }

    public func observe(
        _ sequences: [[Int]], block: Int, hidden: Matrix?, context: ExecutionContext, observer: ActivationObserver
    ) throws -> Matrix {
        try check(sequences)
        let batch = SequenceBatch(sequences)
        let pass = NetworkPass(
            network, batch, wanted: network.headPlace == nil ? [] : Array(batch.tokens.indices), blocks: block..<block + 1,
            entering: hidden, isObserved: true, members: context.largestTeam)
        defer { pass.deallocate() }
        WorkerPool.shared.run(members: context.threads) { worker in pass.run(worker, scores: nil, observer: observer) }
        return Matrix(copying: pass.output)
    }
}

extension TransformerEncoder: BlockwiseModel {}
extension CausalTransformer: BlockwiseModel {}
