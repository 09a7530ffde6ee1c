import StructuredMatrices
import Tensors

/// Blocks run a few at a time over all sequences, the caller keeping the states between them: what every block sees can be
/// looked at with the weights of one block in memory, and what is done to blocks one after the other needs one run of each.
extension NetworkModel {
    public var blockCount: Int { network.blocks.count }

    /// Numbers of a token's states between two blocks, at most: those of a cut stream are fewer.
    public var hiddenSize: Int { network.width }

    /// The inputs (`MatrixSite.input`) that a block shows: the first one's with those of what makes its states, the last one's
    /// with those of what follows it.
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

    /// How `observe` cuts sequences, in their order, into batches.
    public func batches(_ sequences: [[Int]]) -> [Range<Int>] {
        SequenceBatch.runs(sequences, maximumTokens: Network.tokensPerBatch)
    }

    /// What the first block reads, tokens x width, sequence after sequence; shows the input of a projection before it.
    /// - Throws: as `observe`.
    public func states(
        _ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver = { _, _ in }
    ) throws -> Matrix {
        try run(0..<0, entering: nil, of: sequences, context: context, observer: observer)
    }

    /// Runs some blocks on the states that the first of them reads, to those that the last gives (tokens x width), showing
    /// the inputs of their matrices as `observe` does, and behind the last block of all those of what follows it too. The
    /// same bits as `observe` shows, for any cut into blocks and any number of threads.
    /// - Parameter blocks: within 0..<`blockCount`.
    /// - Throws: as `observe`.
    public func run(
        _ blocks: Range<Int>, on states: Matrix, of sequences: [[Int]], context: ExecutionContext,
        observer: ActivationObserver
    ) throws -> Matrix {
        try run(blocks, entering: states, of: sequences, context: context, observer: observer)
    }

    /// Shows the inputs of a block's matrices as `run` does, and ends as soon as the wanted ones were shown.
    /// - Parameter wanted: inputs of linear layers of the block (`MatrixSite.input`); with any other the block runs to its end.
    /// - Throws: as `observe`.
    public func observe(
        _ block: Int, on states: Matrix, of sequences: [[Int]], wanted: Set<String>, context: ExecutionContext,
        observer: ActivationObserver
    ) throws {
        _ = try run(
            block..<block + 1, entering: states, of: sequences, lastSeen: wanted, context: context, observer: observer)
    }

    private func run(
        _ blocks: Range<Int>, entering: Matrix?, of sequences: [[Int]], lastSeen: Set<String>? = nil,
        context: ExecutionContext, observer: ActivationObserver
    ) throws -> Matrix {
        try check(sequences)
        let (before, behind) = (network.streamWidth(before: blocks.lowerBound), width(behind: blocks))
        var result: [Float] = []
        for run in batches(sequences) {
            let batch = SequenceBatch(sequences[run])
            let first = result.count / behind
            let own = entering?.block(rows: first..<first + batch.tokens.count, columns: 0..<before)
            let pass = NetworkPass(
                network, batch, wanted: network.headPlace == nil ? [] : Array(batch.tokens.indices), blocks: blocks,
                entering: own, lastSeen: lastSeen, isObserved: true, members: context.largestTeam)
            defer { pass.deallocate() }
            WorkerPool.shared.run(members: context.threads) { worker in
                pass.run(worker, scores: nil, observer: observer)
            }
            result += UnsafeBufferPointer(start: pass.output.base, count: pass.output.rows * pass.output.columns)
        }
        return Matrix(rows: result.count / behind, columns: behind, elements: result)
    }

    /// Features of what some blocks give.
    private func width(behind blocks: Range<Int>) -> Int {
        let isEnd = blocks.upperBound == blockCount && network.headPlace == nil && network.output.projection != nil
        return isEnd ? network[.outputProjection].weight.shape.rows : network.streamWidth(before: blocks.upperBound)
    }
}
