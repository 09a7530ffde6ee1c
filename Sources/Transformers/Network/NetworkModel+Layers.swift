import StructuredMatrices
import Tensors

/// Blocks run a few at a time, the caller keeping the residual stream between them.
extension NetworkModel {
    public var layerCount: Int { network.blocks.count }

    /// What the first block reads, tokens x width, sequence after sequence.
    /// - Throws: as `observe`.
    public func states(_ sequences: [[Int]], context: ExecutionContext) throws -> Matrix {
        try check(sequences)
        return run(0..<0, on: nil, of: sequences, context: context, isObserved: false) { _, _ in }
    }

    /// Runs some blocks on the states that the first of them reads, to those that the last gives (tokens x width), showing
    /// the inputs of their matrices as `observe` does, and behind the last block of all that of the output head too. The same
    /// bits as `observe` shows, for any cut into blocks and any number of threads.
    /// - Throws: as `observe`.
    public func run(
        _ layers: Range<Int>, on states: Matrix, of sequences: [[Int]], context: ExecutionContext,
        observer: ActivationObserver
    ) throws -> Matrix {
        try check(sequences)
        return run(layers, on: states, of: sequences, context: context, isObserved: true, observer: observer)
    }

    private func run(
        _ layers: Range<Int>, on states: Matrix?, of sequences: [[Int]], context: ExecutionContext, isObserved: Bool,
        observer: ActivationObserver
    ) -> Matrix {
        let (before, behind) = (network.streamWidth(before: layers.lowerBound), width(behind: layers))
        var result: [Float] = []
        for run in SequenceBatch.runs(sequences, maximumTokens: Network.tokensPerBatch) {
            let batch = SequenceBatch(sequences[run])
            let first = result.count / behind
            let own = states?.block(rows: first..<first + batch.tokens.count, columns: 0..<before)
            let pass = NetworkPass(
                network, batch, wanted: network.headPlace == nil ? [] : Array(batch.tokens.indices), blocks: layers,
                entering: own, isObserved: isObserved, members: context.largestTeam)
            defer { pass.deallocate() }
            WorkerPool.shared.run(members: context.threads) { worker in
                pass.run(worker, scores: nil, observer: observer)
            }
            result += UnsafeBufferPointer(start: pass.output.base, count: pass.output.rows * pass.output.columns)
        }
        return Matrix(rows: result.count / behind, columns: behind, elements: result)
    }

    /// Features of what some blocks give.
    private func width(behind layers: Range<Int>) -> Int {
        let isEnd = layers.upperBound == network.blocks.count && network.headPlace == nil && network.output.projection != nil
        return isEnd ? network[.outputProjection].weight.shape.rows : network.streamWidth(before: layers.upperBound)
    }
}
