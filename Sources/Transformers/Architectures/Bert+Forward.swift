import StructuredMatrices
import Tensors

extension BertEncoder {
    /// Tokens of one run of the linear layers: enough for full speed, few enough for the cache.
    static let tokensPerBatch = 512

    public func embed(_ sequences: [[Int]], context: ExecutionContext) throws -> Matrix {
        try check(sequences)
        var result = Matrix(rows: sequences.count, columns: dimension)
        let runs = SequenceBatch.runs(sequences, maximumTokens: Self.tokensPerBatch)
        result.withMutableView { result in
            // Whole runs in parallel where there are enough of them, else the threads share each run: the bits are the same.
            let outer = runs.count >= 2 * context.threads ? context : .serial
            let inner = runs.count >= 2 * context.threads ? .serial : context
            outer.parallelFor(runs.count) { index in
                let batch = SequenceBatch(sequences[runs[index]])
                forward(batch, context: inner, observer: { _, _ in }) { hidden in
                    pool(hidden, batch.spans, into: result.rows(runs[index]))
                }
            }
        }
        return result
    }

    public func observe(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) throws
    {
        try check(sequences)
        for run in SequenceBatch.runs(sequences, maximumTokens: Self.tokensPerBatch) {
            forward(SequenceBatch(sequences[run]), context: context, observer: observer) { _ in }
        }
    }

    /// Shows `body` the last layer's output, tokens x hidden.
    private func forward(
        _ batch: SequenceBatch, context: ExecutionContext, observer: ActivationObserver,
        body: (MatrixView) -> Void
    ) {
        let (tokens, width) = (batch.tokens.count, configuration.hiddenSize)
        var arena = ActivationArena(floats: tokens * (6 * width + configuration.intermediateSize))
        defer { arena.deallocate() }
        var hidden = arena.take(rows: tokens, columns: width)
        var update = arena.take(rows: tokens, columns: width)
        let query = arena.take(rows: tokens, columns: width)
        let key = arena.take(rows: tokens, columns: width)
        let value = arena.take(rows: tokens, columns: width)
        let mixed = arena.take(rows: tokens, columns: width)
        let wide = arena.take(rows: tokens, columns: configuration.intermediateSize)
        let attention = Attention(
            heads: configuration.heads, keyValueHeads: configuration.heads,
            headDimension: configuration.headDimension, causal: false)
        let sequences = batch.spans.map { rows in
            Attention.Sequence(
                queries: query.rows(rows).readable, keys: key.rows(rows).readable,
                values: value.rows(rows).readable,
                output: mixed.rows(rows))
        }

        lookUp(batch, into: hidden, context: context)
        for (index, layer) in layers.enumerated() {
            let inputs = LayerInputs(Self.layerName(prefix, index))
            observer(inputs.attention, hidden.readable)
            layer.query.apply(hidden.readable, into: query, context: context)
            layer.key.apply(hidden.readable, into: key, context: context)
            layer.value.apply(hidden.readable, into: value, context: context)
            attention.apply(sequences, context: context)

            observer(inputs.attentionOutput, mixed.readable)
            layer.attentionOutput.apply(mixed.readable, into: update, context: context)
            layer.attentionNorm.apply(update, residual: hidden.readable, context: context)
            swap(&hidden, &update)

            observer(inputs.intermediate, hidden.readable)
            layer.intermediate.apply(hidden.readable, into: wide, context: context)
            context.forEachRowBlock(rows: tokens, columns: wide.columns) { rows in
                let block = wide.rows(rows)
                Kernels.best.gelu(block.base, block.rows * block.columns)
            }
            observer(inputs.output, wide.readable)
            layer.output.apply(wide.readable, into: update, context: context)
            layer.outputNorm.apply(update, residual: hidden.readable, context: context)
            swap(&hidden, &update)
        }
        body(hidden.readable)
    }

    /// The sum of word, position and type embeddings, normalised.
    private func lookUp(_ batch: SequenceBatch, into hidden: MutableMatrixView, context: ExecutionContext) {
        let words = wordEmbeddings.gather(rows: batch.tokens)
        let longest = batch.spans.map(\.count).max() ?? 0
        let positions = positionEmbeddings.gather(rows: Array(0..<longest))
        words.withView { words in
            positions.withView { positions in
                typeEmbedding.withUnsafeBufferPointer { type in
                    guard let type = type.baseAddress else { return }
                    for span in batch.spans {
                        for (position, row) in span.enumerated() {
                            hidden.row(row).update(from: words.row(row), count: hidden.columns)
                            Kernels.best.add(hidden.row(row), type, hidden.columns)
                            Kernels.best.add(hidden.row(row), positions.row(position), hidden.columns)
                        }
                    }
                }
            }
        }
        embeddingNorm.apply(hidden, residual: nil, context: context)
    }

    private func pool(_ hidden: MatrixView, _ spans: [Range<Int>], into result: MutableMatrixView) {
        for (index, span) in spans.enumerated() {
            let sum = UnsafeMutableBufferPointer(start: result.row(index), count: result.columns)
            switch layout.pooling {
            case .cls:
                _ = sum.update(
                    fromContentsOf: UnsafeBufferPointer(start: hidden.row(span.lowerBound), count: sum.count))
            case .max:
                sum.update(repeating: -.infinity)
                for row in span {
                    for column in sum.indices { sum[column] = max(sum[column], hidden.row(row)[column]) }
                }
            case .mean:
                sum.update(repeating: 0)
                for row in span { Kernels.best.add(result.row(index), hidden.row(row), sum.count) }
                let share = 1 / Float(span.count)
                for column in sum.indices { sum[column] *= share }
            }
            guard layout.normalizes else { continue }
            var squared = 0.0
            for number in sum { squared += Double(number) * Double(number) }
            let scale = Float(1 / max(squared.squareRoot(), 1e-12))
            for column in sum.indices { sum[column] *= scale }
        }
    }
}
