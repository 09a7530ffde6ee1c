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

    /// What the first of `layers` reads: embeddings, unless they were given.
    private let states: Matrix
    private let layers: Range<Int>
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

    /// - Parameters:
    ///   - layers: nil for all.
    ///   - states: tokens x hidden; nil for the embeddings of the batch.
    init(
        _ model: LlamaModel, _ batch: SequenceBatch, layers: Range<Int>? = nil, states: Matrix? = nil,
        caches: [KeyValueCache], wanted: [Int], isObserved: Bool, members: Int
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
        self.layers = layers ?? model.layers.indices
        self.states = states ?? model.embedding.gather(rows: batch.tokens)
        rotation = RotaryTable(
            batch, starts: caches.isEmpty ? batch.spans.map { _ in 0 } : caches.map(\.count), sizes.rotary)
    }

    func deallocate() { arena.deallocate() }

    /// What the last of `layers` gave, tokens x hidden, once all members have returned.
    var output: MatrixView { hidden[0].readable }

    /// What one member does of the whole run. `scores` (wanted rows x vocabulary), where given, is complete when all
    /// members have returned; where the run is observed, the first member calls the observer.
    func run(_ worker: Worker, scores: MutableMatrixView?, observer: ActivationObserver) {
        let share = TokenShare(tokens: batch.tokens.count, worker: worker)
        let (hidden, normed) = (hidden[share.copy], normed[share.copy])
        states.withView { states in
            for row in share.rows { hidden.row(row).update(from: states.row(row), count: hidden.columns) }
        }
        for index in layers {
            func observe(_ activations: MutableMatrixView, _ name: (LlamaModel.LayerInputs) -> String) {
                guard isObserved, worker.index == 0 else { return }
                observer(name(LlamaModel.LayerInputs(LlamaModel.layerName(model.prefix, index))), activations.readable)
            }
            model.layers[index].attentionNorm.apply(
                hidden.rows(share.rows).readable, into: normed.rows(share.rows))
            share.barrier()
            observe(normed) { $0.attention }
            let input = normed.readable
            project(index, input, worker)
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
            expand(index, input, worker)
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
        linear.multiply(input.readable, into: output, scratch: productScratch, worker: worker)
    }

    /// Queries, keys and values.
    private func project(_ layer: Int, _ input: MatrixView, _ worker: Worker) {
        var products = ProductsOfOneInput(input, scratch: productScratch, worker: worker)
        products.read(for: model.layers[layer].query)
        products.read(for: model.layers[layer].key)
        products.read(for: model.layers[layer].value)
        products.barrier()
        products.multiply(model.layers[layer].query, into: query)
        products.multiply(model.layers[layer].key, into: key)
        products.multiply(model.layers[layer].value, into: value)
    }

    /// gate <- silu(gate + bias) * (up + bias).
    private func expand(_ layer: Int, _ input: MatrixView, _ worker: Worker) {
        var products = ProductsOfOneInput(input, scratch: productScratch, worker: worker)
        products.read(for: model.layers[layer].gate)
        products.read(for: model.layers[layer].up)
        products.barrier()
        products.multiply(model.layers[layer].gate, into: gate)
        products.multiply(model.layers[layer].up, into: up)

        let columns = model.layers[layer].gate.rowsPerMember(batch: input.rows, members: worker.count)
        if let columns, columns == model.layers[layer].up.rowsPerMember(batch: input.rows, members: worker.count) {
            // What a member made of both is enough for it to go on.
            let own = worker.index * columns..<(worker.index + 1) * columns
            for row in 0..<gate.rows { activate(layer, row, own) }
        } else {
            worker.barrier()
            worker.forEachPiece(of: gate) { row, columns in activate(layer, row, columns) }
        }
    }

    private func activate(_ layer: Int, _ row: Int, _ columns: Range<Int>) {
        let (gate, up) = (gate.row(row) + columns.lowerBound, up.row(row) + columns.lowerBound)
        model.layers[layer].gate.addBias(to: gate, columns: columns)
        model.layers[layer].up.addBias(to: up, columns: columns)
        Kernels.best.siluMultiply(gate, up, gate, columns.count)
    }

    /// hidden += bias, hidden += update.
    private func add(_ linear: Linear, to hidden: MutableMatrixView, _ rows: Range<Int>) {
        for row in rows {
            linear.addBias(to: hidden.row(row), columns: 0..<hidden.columns)
            Kernels.best.add(hidden.row(row), update.row(row), hidden.columns)
        }
    }

    /// How many key-value heads every member has made the keys, the values and the queries of by itself, in order, where
    /// each sequence has one new token; nil where heads have to wait for others' work.
    private func headsPerMember(_ layer: Int, members: Int) -> Int? {
        let sizes = model.configuration
        let (tokens, dimension) = (batch.tokens.count, sizes.headDimension)
        guard tokens == batch.spans.count, batch.spans.allSatisfy({ $0.count == 1 }),
            let features = model.layers[layer].key.rowsPerMember(batch: tokens, members: members),
            features % dimension == 0,
            features == model.layers[layer].value.rowsPerMember(batch: tokens, members: members),
            features * (sizes.heads / sizes.keyValueHeads)
                == model.layers[layer].query.rowsPerMember(batch: tokens, members: members)
        else { return nil }
        return features / dimension
    }

    private func attend(_ layer: Int, _ worker: Worker) {
        func sequence(_ index: Int) -> Attention.Sequence {
            let rows = batch.spans[index]
            let seen: (keys: TokenFeatures, values: TokenFeatures) =
                caches.isEmpty
                ? (.floats(key.rows(rows).readable), .floats(value.rows(rows).readable))
                : caches[index].features(layer: layer)
            return Attention.Sequence(
                queries: query.rows(rows).readable, tokens: (caches.isEmpty ? 0 : caches[index].count) + rows.count,
                keys: seen.keys, values: seen.values, output: mixed.rows(rows))
        }
        if let heads = headsPerMember(layer, members: worker.count) {
            let own = worker.index * heads..<(worker.index + 1) * heads
            for (index, span) in batch.spans.enumerated() {
                for head in own { place(layer, row: span.lowerBound, head: head, sequence: index) }
                attention.apply(keyValueHeads: own, scratch: attentionScratch, worker: worker, sequence(index))
            }
        } else {
            worker.barrier()
            placeShare(layer, worker)
            worker.barrier()
            attention.apply(count: batch.spans.count, scratch: attentionScratch, worker: worker, sequence: sequence)
        }
    }

    /// A member's share of the tokens and key-value heads.
    private func placeShare(_ layer: Int, _ worker: Worker) {
        let heads = model.configuration.keyValueHeads
        let share = worker.share(of: batch.tokens.count * heads)
        guard !share.isEmpty else { return }
        for (sequence, span) in batch.spans.enumerated() {
            // The part of this sequence's tokens and heads that is this member's.
            for unit in share.clamped(to: span.lowerBound * heads..<span.upperBound * heads) {
                let (row, head) = unit.quotientAndRemainder(dividingBy: heads)
                place(layer, row: row, head: head, sequence: sequence)
            }
        }
    }

    /// Biases, rotation to the token's position, and the cache: of one token and key-value head.
    private func place(_ layer: Int, row: Int, head: Int, sequence: Int) {
        let sizes = model.configuration
        let (group, dimension) = (sizes.heads / sizes.keyValueHeads, sizes.headDimension)
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
        guard !caches.isEmpty else { return }
        caches[sequence].write(
            key: keyRow, value: valueRow, layer: layer, offset: row - batch.spans[sequence].lowerBound, head: head)
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
