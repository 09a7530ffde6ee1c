import StructuredMatrices
import Tensors

extension LlamaModel {
    /// Tokens of one run of the linear layers over several sequences.
    static let tokensPerBatch = 512

    public func logits(_ tokens: [Int], context: ExecutionContext) throws -> Matrix {
        try check([tokens])
        let batch = SequenceBatch([tokens])
        var caches = [makeCache()]
        return withHidden(batch, caches: &caches, keepCaches: false, context: context, observer: { _, _ in })
        { hidden in
            scores(hidden, context: context)
        }
    }

    public func advance(_ tokens: [[Int]], caches: inout [KeyValueCache], context: ExecutionContext) throws
        -> Matrix
    {
        precondition(tokens.count == caches.count, "one cache for each sequence")
        try check(tokens)
        for (new, cache) in zip(tokens, caches) where cache.count + new.count > maximumPositions {
            throw TransformersError.sequenceTooLong(count: cache.count + new.count, maximum: maximumPositions)
        }
        let batch = SequenceBatch(tokens)
        return withHidden(batch, caches: &caches, keepCaches: true, context: context, observer: { _, _ in }) {
            hidden in
            // Only the last token of each sequence goes through the head.
            var last = Matrix(rows: batch.spans.count, columns: hidden.columns)
            last.withMutableView { last in
                for (index, span) in batch.spans.enumerated() {
                    last.row(index).update(from: hidden.row(span.upperBound - 1), count: hidden.columns)
                }
            }
            return last.withView { scores($0, context: context) }
        }
    }

    public func observe(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) throws
    {
        try check(sequences)
        for run in SequenceBatch.runs(sequences, maximumTokens: Self.tokensPerBatch) {
            let batch = SequenceBatch(sequences[run])
            var caches = sequences[run].map { _ in makeCache() }
            withHidden(batch, caches: &caches, keepCaches: false, context: context, observer: observer) {
                hidden in
                observer(Self.headInput, hidden)
            }
        }
    }

    /// The output head: tokens x vocabulary.
    private func scores(_ hidden: MatrixView, context: ExecutionContext) -> Matrix {
        let head = self.head ?? Linear(weight: embedding)
        var result = Matrix(rows: hidden.rows, columns: configuration.vocabularySize)
        result.withMutableView { head.apply(hidden, into: $0, context: context) }
        return result
    }

    /// Runs the layers on new tokens of several sequences and shows `body` the normalised output, tokens x hidden.
    /// With `keepCaches` the sequences continue what the caches hold, and the caches grow; without, they begin here.
    private func withHidden<Result>(
        _ batch: SequenceBatch, caches: inout [KeyValueCache], keepCaches: Bool, context: ExecutionContext,
        observer: ActivationObserver, body: (MatrixView) -> Result
    ) -> Result {
        let sizes = configuration
        let (tokens, width) = (batch.tokens.count, sizes.hiddenSize)
        let queryWidth = sizes.heads * sizes.headDimension
        let keyWidth = sizes.keyValueHeads * sizes.headDimension
        var arena = ActivationArena(
            floats: tokens * (3 * width + 2 * queryWidth + 2 * keyWidth + 2 * sizes.intermediateSize))
        defer { arena.deallocate() }
        let hidden = arena.take(rows: tokens, columns: width)
        let normed = arena.take(rows: tokens, columns: width)
        let update = arena.take(rows: tokens, columns: width)
        let query = arena.take(rows: tokens, columns: queryWidth)
        let mixed = arena.take(rows: tokens, columns: queryWidth)
        let key = arena.take(rows: tokens, columns: keyWidth)
        let value = arena.take(rows: tokens, columns: keyWidth)
        let gate = arena.take(rows: tokens, columns: sizes.intermediateSize)
        let up = arena.take(rows: tokens, columns: sizes.intermediateSize)
        let attention = Attention(
            heads: sizes.heads, keyValueHeads: sizes.keyValueHeads, headDimension: sizes.headDimension,
            causal: true)
        let rotation = Rotation(batch, starts: caches.map(\.count), sizes)
        if keepCaches {
            for (index, span) in batch.spans.enumerated() { caches[index].reserve(span.count) }
        }

        embedding.gather(rows: batch.tokens).withView {
            hidden.base.update(from: $0.base, count: tokens * width)
        }
        for (index, layer) in layers.enumerated() {
            let inputs = LayerInputs(Self.layerName(prefix, index))
            layer.attentionNorm.apply(hidden.readable, into: normed, context: context)
            observer(inputs.attention, normed.readable)
            layer.query.apply(normed.readable, into: query, context: context)
            layer.key.apply(normed.readable, into: key, context: context)
            layer.value.apply(normed.readable, into: value, context: context)
            rotation.apply(query, heads: sizes.heads, context: context)
            rotation.apply(key, heads: sizes.keyValueHeads, context: context)
            attention.apply(
                batch.spans.enumerated().map { sequence, rows in
                    var seen = (keys: key.rows(rows).readable, values: value.rows(rows).readable)
                    if keepCaches {
                        caches[sequence].write(keys: seen.keys, values: seen.values, layer: index)
                        seen = caches[sequence].views(layer: index, including: rows.count)
                    }
                    return Attention.Sequence(
                        queries: query.rows(rows).readable, keys: seen.keys, values: seen.values,
                        output: mixed.rows(rows))
                }, context: context)

            observer(inputs.attentionOutput, mixed.readable)
            layer.attentionOutput.apply(mixed.readable, into: update, context: context)
            Kernels.best.add(hidden.base, update.base, tokens * width)

            layer.feedForwardNorm.apply(hidden.readable, into: normed, context: context)
            observer(inputs.feedForward, normed.readable)
            layer.gate.apply(normed.readable, into: gate, context: context)
            layer.up.apply(normed.readable, into: up, context: context)
            context.forEachRowBlock(rows: tokens, columns: gate.columns) { rows in
                let (gate, up) = (gate.rows(rows), up.rows(rows))
                Kernels.best.siluMultiply(gate.base, up.base, gate.base, gate.rows * gate.columns)
            }
            observer(inputs.down, gate.readable)
            layer.down.apply(gate.readable, into: update, context: context)
            Kernels.best.add(hidden.base, update.base, tokens * width)
        }
        if keepCaches {
            for (index, span) in batch.spans.enumerated() { caches[index].advance(by: span.count) }
        }
        finalNorm.apply(hidden.readable, into: normed, context: context)
        return body(normed.readable)
    }

    /// The cosines and sines of a batch's tokens, each at its own position.
    private struct Rotation: Sendable {
        let positions: [Int]
        let first: Int
        let cosines: Matrix
        let sines: Matrix
        let headDimension: Int

        init(_ batch: SequenceBatch, starts: [Int], _ configuration: LlamaConfiguration) {
            positions = zip(batch.spans, starts).flatMap { span, start in start..<start + span.count }
            first = positions.min() ?? 0
            (cosines, sines) = configuration.rotary.table(first..<(positions.max() ?? -1) + 1)
            headDimension = configuration.headDimension
        }

        func apply(_ x: MutableMatrixView, heads: Int, context: ExecutionContext) {
            cosines.withView { cosines in
                sines.withView { sines in
                    context.forEachRowBlock(rows: x.rows, columns: x.columns) { rows in
                        for row in rows {
                            let position = positions[row] - first
                            Kernels.best.rotate(
                                x.row(row), cosines.row(position), sines.row(position), heads, headDimension)
                        }
                    }
                }
            }
        }
    }
}
