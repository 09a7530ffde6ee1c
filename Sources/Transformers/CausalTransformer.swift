import StructuredMatrices
import Tensors

/// A causal language model: every token gets the scores of its successor.
public struct CausalTransformer: CausalModel, NetworkModel {
    public var network: Network

    init(network: Network) { self.network = network }

    public var vocabularySize: Int { network[network.headPlace ?? .words].weight.shape.rows }

    public func makeCache(_ precision: CachePrecision) -> KeyValueCache {
        KeyValueCache(
            layers: network.blocks.map { block in
                KeyValueCache.Layer(
                    heads: block.sizes.keyValueHeads, keys: block.keyLayout, values: block.valueLayout)
            }, precision: precision)
    }

    public func logits(_ tokens: [Int], context: ExecutionContext) throws -> Matrix {
        try logits(tokens, from: nil, context: context)
    }

    /// As `logits`, from a block on.
    /// - Parameter entry: of the sequence; nil for the tokens.
    package func logits(_ tokens: [Int], from entry: BlockEntry?, context: ExecutionContext) throws -> Matrix {
        try check([tokens])
        var scores = Matrix(rows: tokens.count, columns: vocabularySize)
        scores.withMutableView { scores in
            run(
                SequenceBatch([tokens]), from: entry, caches: [], wanted: Array(tokens.indices), scores: scores,
                context: context)
        }
        return scores
    }

    public func advance(_ tokens: [[Int]], caches: inout [KeyValueCache], context: ExecutionContext) throws -> Matrix {
        precondition(tokens.count == caches.count, "one cache for each sequence")
        try check(tokens)
        for (new, cache) in zip(tokens, caches) where cache.count + new.count > maximumPositions {
            throw TransformersError.sequenceTooLong(count: cache.count + new.count, maximum: maximumPositions)
        }
        var scores = Matrix(rows: tokens.count, columns: vocabularySize)
        for index in caches.indices { caches[index].reserve(tokens[index].count) }
        scores.withMutableView { scores in
            for step in SequenceBatch.steps(tokens, maximumTokens: Network.tokensPerBatch) {
                let batch = SequenceBatch(step.parts.map { Array(tokens[$0.sequence][$0.tokens]) })
                // Only the last token of each sequence goes through the head. Sequences that end here follow each other.
                let ending = step.parts.indices.filter {
                    step.parts[$0].tokens.upperBound == tokens[step.parts[$0].sequence].count
                }
                let first = ending.first.map { step.parts[$0].sequence } ?? 0
                run(
                    batch, caches: step.parts.map { caches[$0.sequence] },
                    wanted: ending.map { batch.spans[$0].upperBound - 1 },
                    scores: scores.rows(first..<first + ending.count), context: context)
                for part in step.parts { caches[part.sequence].advance(by: part.tokens.count) }
            }
        }
        return scores
    }

    public func observe(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) throws {
        try check(sequences)
        for run in SequenceBatch.runs(sequences, maximumTokens: Network.tokensPerBatch) {
            let batch = SequenceBatch(sequences[run])
            self.run(
                batch, caches: [], wanted: Array(batch.tokens.indices), scores: nil, context: context,
                isObserved: true, observer: observer)
        }
    }

    /// Runs the blocks on a batch and writes the scores of the wanted rows (wanted x vocabulary), by one team.
    /// With caches, each sequence of the batch continues what its cache holds, and its new tokens are written behind that.
    func run(
        _ batch: SequenceBatch, from entry: BlockEntry? = nil, caches: [KeyValueCache], wanted: [Int],
        scores: MutableMatrixView?, context: ExecutionContext, isObserved: Bool = false,
        observer: ActivationObserver = { _, _ in }
    ) {
        let pass = NetworkPass(
            network, batch, caches: caches, wanted: wanted, blocks: entry.map { $0.block..<network.blocks.count },
            entering: entry?.states, isObserved: isObserved, members: context.largestTeam)
        defer { pass.deallocate() }
        WorkerPool.shared.run(members: context.threads) { worker in
            pass.run(worker, scores: wanted.isEmpty ? nil : scores, observer: observer)
        }
    }
}
