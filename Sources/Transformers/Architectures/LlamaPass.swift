import StructuredMatrices
import Tensors

/// One run of a Llama's layers over a batch of tokens: the memory it needs, and what a member of a team does.
struct LlamaPass {
    private let model: LlamaModel
    private let batch: SequenceBatch
    /// One for each sequence, with room for its new tokens; empty when sequences begin here and nothing is kept.
    private let caches: [KeyValueCache]
    /// Rows whose scores, or last hidden states, are wanted.
    private let wanted: [Int]

    private let embedded: Matrix
    private let rotation: RotaryTable
    private let attention: Attention
    /// One, or one for each member (`TokenShare`).
    private let hidden: [MutableMatrixView]
    private let normed: [MutableMatrixView]
    private let last: [MutableMatrixView]
    private let update, query, mixed, key, value, gate, up: MutableMatrixView
    private let productScratch: UnsafeMutablePointer<Float>
    private let attentionScratch: UnsafeMutablePointer<Float>
    private let arena: ActivationArena
    private let isObserved: Bool

    init(
        _ model: LlamaModel, _ batch: SequenceBatch, caches: [KeyValueCache], wanted: [Int], isObserved: Bool,
        members: Int
    ) {
        let sizes = model.configuration
        let (tokens, width) = (batch.tokens.count, sizes.hiddenSize)
        let (queryWidth, keyWidth) = (sizes.heads * sizes.headDimension, sizes.keyValueHeads * sizes.headDimension)
        let copies = TokenShare.copies(tokens: tokens, members: members)
        let lastCopies = TokenShare.copies(tokens: wanted.count, members: members)
        attention = Attention(
            heads: sizes.heads, keyValueHeads: sizes.keyValueHeads, headDimension: sizes.headDimension, causal: true)
        let products = model.scratchFloats(batch: tokens, wanted: wanted.count)
        let perToken = (2 * copies + 1) * width + 2 * (queryWidth + keyWidth + sizes.intermediateSize)
        var arena = ActivationArena(
            floats: tokens * perToken + lastCopies * wanted.count * width + products
                + members * attention.scratchFloats,
            views: 12 + 2 * copies + lastCopies)
        hidden = (0..<copies).map { _ in arena.take(rows: tokens, columns: width) }
        normed = (0..<copies).map { _ in arena.take(rows: tokens, columns: width) }
        last = (0..<lastCopies).map { _ in arena.take(rows: wanted.count, columns: width) }
        update = arena.take(rows: tokens, columns: width)
        query = arena.take(rows: tokens, columns: queryWidth)
        mixed = arena.take(rows: tokens, columns: queryWidth)
        key = arena.take(rows: tokens, columns: keyWidth)
        value = arena.take(rows: tokens, columns: keyWidth)
        gate = arena.take(rows: tokens, columns: sizes.intermediateSize)
        up = arena.take(rows: tokens, columns: sizes.intermediateSize)
        productScratch = arena.take(floats: products)
        attentionScratch = arena.take(floats: members * attention.scratchFloats)
        self.arena = arena

        self.model = model
        self.batch = batch
        self.isObserved = isObserved
        self.caches = caches
        self.wanted = wanted
        embedded = model.embedding.gather(rows: batch.tokens)
        rotation = RotaryTable(
            batch, starts: caches.isEmpty ? batch.spans.map { _ in 0 } : caches.map(\.count), sizes.rotary)
    }

    func deallocate() { arena.deallocate() }

    /// What one member does of the whole run. `scores` (wanted rows x vocabulary), where given, is complete when all
    /// members have returned; where the run is observed, the first member calls the observer.
    func run(_ worker: Worker, scores: MutableMatrixView?, observer: ActivationObserver) {
        let share = TokenShare(tokens: batch.tokens.count, worker: worker)
        let (hidden, normed) = (hidden[share.copy], normed[share.copy])
        embedded.withView { embedded in
            for row in share.rows { hidden.row(row).update(from: embedded.row(row), count: hidden.columns) }
        }
        for index in model.layers.indices {
            func observe(_ activations: MutableMatrixView, _ name: (LlamaModel.LayerInputs) -> String) {
                guard isObserved, worker.index == 0 else { return }
                observer(name(LlamaModel.LayerInputs(LlamaModel.layerName(model.prefix, index))), activations.readable)
            }
            model.layers[index].attentionNorm.apply(
                hidden.rows(share.rows).readable, into: normed.rows(share.rows))
            share.barrier()
            observe(normed) { $0.attention }
            var scratch = productScratch
            let input = normed.readable
            model.layers[index].query.multiply(input, into: query, scratch: &scratch, worker: worker)
            model.layers[index].key.multiply(input, into: key, scratch: &scratch, worker: worker)
            model.layers[index].value.multiply(input, into: value, scratch: &scratch, worker: worker)
            worker.barrier()
            place(index, worker)
            worker.barrier()
            attend(index, worker)
            worker.barrier()
            observe(mixed) { $0.attentionOutput }
            multiply(model.layers[index].attentionOutput, mixed, update, worker)
            worker.barrier()
            add(model.layers[index].attentionOutput, to: hidden, share.rows)

            model.layers[index].feedForwardNorm.apply(
                hidden.rows(share.rows).readable, into: normed.rows(share.rows))
            share.barrier()
            observe(normed) { $0.feedForward }
            scratch = productScratch
            model.layers[index].gate.multiply(input, into: gate, scratch: &scratch, worker: worker)
            model.layers[index].up.multiply(input, into: up, scratch: &scratch, worker: worker)
            worker.barrier()
            activate(index, worker)
            worker.barrier()
            observe(gate) { $0.down }
            multiply(model.layers[index].down, gate, update, worker)
            worker.barrier()
            add(model.layers[index].down, to: hidden, share.rows)
        }
        share.barrier()
        finish(hidden, worker, scores, observer)
    }

    /// The final normalisation of the wanted rows, and the output head.
    private func finish(
        _ hidden: MutableMatrixView, _ worker: Worker, _ scores: MutableMatrixView?, _ observer: ActivationObserver
    ) {
        let share = TokenShare(tokens: wanted.count, worker: worker)
        let last = last[share.copy]
        for index in share.rows {
            model.finalNorm.apply(
                hidden.rows(wanted[index]..<wanted[index] + 1).readable, into: last.rows(index..<index + 1))
        }
        share.barrier()
        if isObserved, worker.index == 0 { observer(LlamaModel.headInput, last.readable) }
        if let scores { multiply(model.headLinear, last, scores, worker) }
    }

    private func multiply(
        _ linear: Linear, _ input: MutableMatrixView, _ output: MutableMatrixView, _ worker: Worker
    ) {
        var scratch = productScratch
        linear.multiply(input.readable, into: output, scratch: &scratch, worker: worker)
    }

    /// hidden += bias, hidden += update.
    private func add(_ linear: Linear, to hidden: MutableMatrixView, _ rows: Range<Int>) {
        for row in rows {
            linear.addBias(to: hidden.row(row), columns: 0..<hidden.columns)
            Kernels.best.add(hidden.row(row), update.row(row), hidden.columns)
        }
    }

    /// Biases, rotation to each token's position, and the caches: by token and key-value head.
    private func place(_ layer: Int, _ worker: Worker) {
        let sizes = model.configuration
        let (heads, dimension) = (sizes.keyValueHeads, sizes.headDimension)
        let group = sizes.heads / heads
        let share = worker.share(of: batch.tokens.count * heads)
        guard !share.isEmpty else { return }
        for (sequence, span) in batch.spans.enumerated() {
            // The part of this sequence's tokens and heads that is this member's.
            for unit in share.clamped(to: span.lowerBound * heads..<span.upperBound * heads) {
                let (row, head) = unit.quotientAndRemainder(dividingBy: heads)
                let queries = head * group * dimension..<(head + 1) * group * dimension
                let features = head * dimension..<(head + 1) * dimension
                let (queryRow, keyRow, valueRow) = (
                    query.row(row) + queries.lowerBound, key.row(row) + features.lowerBound,
                    value.row(row) + features.lowerBound
                )
                model.layers[layer].query.addBias(to: queryRow, columns: queries)
                model.layers[layer].key.addBias(to: keyRow, columns: features)
                model.layers[layer].value.addBias(to: valueRow, columns: features)
                rotation.apply(queryRow, token: row, heads: group)
                rotation.apply(keyRow, token: row, heads: 1)
                guard !caches.isEmpty else { continue }
                caches[sequence].write(
                    key: keyRow, value: valueRow, layer: layer, offset: row - span.lowerBound, head: head)
            }
        }
    }

    private func attend(_ layer: Int, _ worker: Worker) {
        attention.apply(count: batch.spans.count, scratch: attentionScratch, worker: worker) { index in
            let rows = batch.spans[index]
            let seen: (keys: TokenFeatures, values: TokenFeatures) =
                caches.isEmpty
                ? (.floats(key.rows(rows).readable), .floats(value.rows(rows).readable))
                : caches[index].features(layer: layer)
            return Attention.Sequence(
                queries: query.rows(rows).readable, tokens: (caches.isEmpty ? 0 : caches[index].count) + rows.count,
                keys: seen.keys, values: seen.values, output: mixed.rows(rows))
        }
    }

    /// gate <- silu(gate + bias) * (up + bias).
    private func activate(_ layer: Int, _ worker: Worker) {
        worker.forEachPiece(of: gate) { row, columns in
            let (gate, up) = (gate.row(row) + columns.lowerBound, up.row(row) + columns.lowerBound)
            model.layers[layer].gate.addBias(to: gate, columns: columns)
            model.layers[layer].up.addBias(to: up, columns: columns)
            Kernels.best.siluMultiply(gate, up, gate, columns.count)
        }
    }
}

extension LlamaModel {
    /// The embedding's own product where it is the head.
    var headLinear: Linear { head ?? tiedHead }

    /// The most scratch that products between two barriers need.
    fileprivate func scratchFloats(batch: Int, wanted: Int) -> Int {
        layers.reduce(headLinear.scratchFloats(batch: wanted)) { most, layer in
            let attention = [layer.query, layer.key, layer.value].reduce(0) { $0 + $1.scratchFloats(batch: batch) }
            let wide = layer.gate.scratchFloats(batch: batch) + layer.up.scratchFloats(batch: batch)
            let narrow = max(layer.attentionOutput.scratchFloats(batch: batch), layer.down.scratchFloats(batch: batch))
            return max(most, attention, wide, narrow)
        }
    }
}
