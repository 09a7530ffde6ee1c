import StructuredMatrices
import Tensors

/// One run of a BERT's layers over a batch of tokens: the memory it needs, and what a member of a team does.
struct BertPass {
    private let model: BertEncoder
    private let batch: SequenceBatch

    /// What the first of `layers` reads, where they do not begin with the embeddings.
    private let states: Matrix?
    private let layers: Range<Int>
    private let words: Matrix
    private let positions: Matrix
    private let attention: Attention
    /// One, or one for each member (`TokenShare`).
    private let hidden: [MutableMatrixView]
    private let update, query, key, value, mixed, wide: MutableMatrixView
    private let productScratch: UnsafeMutablePointer<Float>
    private let attentionScratch: UnsafeMutablePointer<Float>
    private let arena: ActivationArena
    private let isObserved: Bool

    /// - Parameters:
    ///   - layers: nil for all.
    ///   - states: tokens x hidden; nil for the embeddings of the batch.
    init(
        _ model: BertEncoder, _ batch: SequenceBatch, layers: Range<Int>? = nil, states: Matrix? = nil, isObserved: Bool,
        members: Int
    ) {
        let sizes = model.configuration
        let (tokens, width) = (batch.tokens.count, sizes.hiddenSize)
        let copies = TokenShare.copies(tokens: tokens, members: members)
        attention = Attention(
            heads: sizes.heads, keyValueHeads: sizes.heads, headDimension: sizes.headDimension, causal: false)
        let products = model.scratchFloats(batch: tokens)
        var arena = ActivationArena(
            floats: tokens * ((5 + copies) * width + sizes.intermediateSize) + products
                + members * attention.scratchFloats,
            views: 12 + copies)
        hidden = (0..<copies).map { _ in arena.take(rows: tokens, columns: width) }
        update = arena.take(rows: tokens, columns: width)
        query = arena.take(rows: tokens, columns: width)
        key = arena.take(rows: tokens, columns: width)
        value = arena.take(rows: tokens, columns: width)
        mixed = arena.take(rows: tokens, columns: width)
        wide = arena.take(rows: tokens, columns: sizes.intermediateSize)
        productScratch = arena.take(floats: products)
        attentionScratch = arena.take(floats: members * attention.scratchFloats)
        self.arena = arena

        self.model = model
        self.batch = batch
        self.isObserved = isObserved
        self.layers = layers ?? model.layers.indices
        self.states = states
        words = states == nil ? model.wordEmbeddings.gather(rows: batch.tokens) : Matrix(rows: 0, columns: width)
        let longest = states == nil ? batch.spans.map(\.count).max() ?? 0 : 0
        positions = model.positionEmbeddings.gather(rows: Array(0..<longest))
    }

    func deallocate() { arena.deallocate() }

    /// The last layer's output, tokens x hidden, once all members have returned.
    var output: MatrixView { hidden[0].readable }

    /// What one member does of the whole run; where the run is observed, the first member calls the observer.
    func run(_ worker: Worker, observer: ActivationObserver) {
        let share = TokenShare(tokens: batch.tokens.count, worker: worker)
        let hidden = hidden[share.copy]
        if let states {
            states.withView { states in
                for row in share.rows { hidden.row(row).update(from: states.row(row), count: hidden.columns) }
            }
        } else {
            lookUp(share.rows, into: hidden)
        }
        for index in layers {
            let layer = model.layers[index]
            func observe(_ activations: MutableMatrixView, _ name: (BertEncoder.LayerInputs) -> String) {
                guard isObserved, worker.index == 0 else { return }
                observer(name(BertEncoder.LayerInputs(BertEncoder.layerName(model.prefix, index))), activations.readable)
            }
            share.barrier()
            observe(hidden) { $0.attention }
            var products = ProductsOfOneInput(hidden.readable, scratch: productScratch, worker: worker)
            products.read(for: layer.query)
            products.read(for: layer.key)
            products.read(for: layer.value)
            products.barrier()
            products.multiply(layer.query, into: query)
            products.multiply(layer.key, into: key)
            products.multiply(layer.value, into: value)
            worker.barrier()
            let tokens = worker.share(of: batch.tokens.count)
            layer.query.addBias(to: query.rows(tokens))
            layer.key.addBias(to: key.rows(tokens))
            layer.value.addBias(to: value.rows(tokens))
            worker.barrier()
            attend(worker)
            worker.barrier()
            observe(mixed) { $0.attentionOutput }
            multiply(layer.attentionOutput, mixed, update, worker)
            worker.barrier()
            add(layer.attentionOutput, layer.attentionNorm, to: hidden.rows(share.rows), share)

            share.barrier()
            observe(hidden) { $0.intermediate }
            multiply(layer.intermediate, hidden, wide, worker)
            worker.barrier()
            layer.intermediate.withBias { bias in
                worker.forEachPiece(of: wide) { row, columns in
                    let first = columns.lowerBound
                    Kernels.best.gelu(wide.row(row) + first, bias.map { $0 + first }, columns.count)
                }
            }
            worker.barrier()
            observe(wide) { $0.output }
            multiply(layer.output, wide, update, worker)
            worker.barrier()
            add(layer.output, layer.outputNorm, to: hidden.rows(share.rows), share)
        }
    }

    /// The sum of word, position and type embeddings, normalised.
    private func lookUp(_ rows: Range<Int>, into hidden: MutableMatrixView) {
        words.withView { words in
            positions.withView { positions in
                model.typeEmbedding.withUnsafeBufferPointer { type in
                    guard let type = type.baseAddress else { return }
                    for span in batch.spans {
                        for row in span.clamped(to: rows) {
                            hidden.row(row).update(from: words.row(row), count: hidden.columns)
                            Kernels.best.add(hidden.row(row), type, hidden.columns)
                            Kernels.best.add(
                                hidden.row(row), positions.row(row - span.lowerBound), hidden.columns)
                        }
                    }
                }
            }
        }
        model.embeddingNorm.apply(hidden.rows(rows), adding: nil)
    }

    private func multiply(
        _ linear: Linear, _ input: MutableMatrixView, _ output: MutableMatrixView, _ worker: Worker
    ) {
        linear.multiply(input.readable, into: output, scratch: productScratch, worker: worker)
    }

    private func attend(_ worker: Worker) {
        attention.apply(count: batch.spans.count, scratch: attentionScratch, worker: worker) { index in
            let rows = batch.spans[index]
            return Attention.Sequence(
                queries: query.rows(rows).readable, tokens: rows.count, keys: .floats(key.rows(rows).readable),
                values: .floats(value.rows(rows).readable), output: mixed.rows(rows))
        }
    }

    /// hidden <- norm(hidden + bias + update). The update is another's to read as well, so the bias goes to the sum.
    private func add(_ linear: Linear, _ norm: LayerNorm, to hidden: MutableMatrixView, _ share: TokenShare) {
        linear.addBias(to: hidden)
        norm.apply(hidden, adding: update.rows(share.rows).readable)
    }
}

extension BertEncoder {
    /// The most scratch that products between two barriers need.
    fileprivate func scratchFloats(batch: Int) -> Int {
        layers.reduce(0) { most, layer in
            let attention = [layer.query, layer.key, layer.value].reduce(0) { $0 + $1.scratchFloats(batch: batch) }
            let others = [layer.attentionOutput, layer.intermediate, layer.output].map { $0.scratchFloats(batch: batch) }
            return max(most, attention, others.max() ?? 0)
        }
    }
}
