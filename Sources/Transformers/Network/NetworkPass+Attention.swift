import Tensors

extension NetworkPass {
    /// What the heads of a block make, tokens x the values' features of all query heads.
    func mixed(_ layer: Int) -> MutableMatrixView {
        view(mixed, columns: network.blocks[layer].sizes.mixedFeatures)
    }

    private func queries(_ layer: Int) -> MutableMatrixView {
        view(query, columns: network.blocks[layer].sizes.heads * network.blocks[layer].sizes.queryKeyWidth)
    }

    private func keys(_ layer: Int) -> MutableMatrixView {
        view(key, columns: network.blocks[layer].sizes.keyValueHeads * network.blocks[layer].sizes.queryKeyWidth)
    }

    private func values(_ layer: Int) -> MutableMatrixView {
        view(value, columns: network.blocks[layer].sizes.valueFeatures)
    }

    /// A narrower matrix in the same memory.
    func view(_ memory: MutableMatrixView, columns: Int) -> MutableMatrixView {
        MutableMatrixView(base: memory.base, rows: memory.rows, columns: columns)
    }

    /// Queries, keys and values, without their biases.
    func project(_ layer: Int, _ block: Block, _ input: MatrixView, _ worker: Worker) {
        var products = ProductsOfOneInput(input, scratch: productScratch, worker: worker)
        products.read(for: block.query)
        products.read(for: block.key)
        products.read(for: block.value)
        products.barrier()
        products.multiply(block.query, into: queries(layer))
        products.multiply(block.key, into: keys(layer))
        products.multiply(block.value, into: values(layer))
    }

    /// A member's share of a block's attention; complete after the next barrier.
    func attend(_ layer: Int, _ block: Block, _ worker: Worker) {
        let attention = network.attention(block)
        let (queries, keys, values, mixed) = (queries(layer), keys(layer), values(layer), mixed(layer))
        func sequence(_ index: Int) -> Attention.Sequence {
            let rows = batch.spans[index]
            let seen: (keys: TokenFeatures, values: TokenFeatures) =
                caches.isEmpty
                ? (.floats(keys.rows(rows).readable), .floats(values.rows(rows).readable))
                : caches[index].features(layer: layer)
            return Attention.Sequence(
                queries: queries.rows(rows).readable, tokens: (caches.isEmpty ? 0 : caches[index].count) + rows.count,
                keys: seen.keys, values: seen.values, areCached: !caches.isEmpty, output: mixed.rows(rows))
        }
        let needsPlacing =
            !caches.isEmpty || !rotations.isEmpty || block.queryNorm != nil
            || block.keyBasis != nil
        if needsPlacing, let heads = headsPerMember(block, members: worker.count) {
            let own = worker.index * heads..<(worker.index + 1) * heads
            let rotation = rotation(layer)
            for (index, span) in batch.spans.enumerated() {
                let cache = caches.isEmpty ? nil : caches[index]
                for head in own { place(layer, block, rotation, cache, row: span.lowerBound, head: head, sequence: index) }
                attention.apply(keyValueHeads: own, scratch: attentionScratch, worker: worker, sequence(index))
            }
            return
        }
        worker.barrier()
        if needsPlacing {
            placeShare(layer, block, worker)
        } else {
            let tokens = worker.share(of: batch.tokens.count)
            block.query.addBias(to: queries.rows(tokens))
            block.key.addBias(to: keys.rows(tokens))
            block.value.addBias(to: values.rows(tokens))
        }
        worker.barrier()
        attention.apply(count: batch.spans.count, scratch: attentionScratch, worker: worker, sequence: sequence)
    }

    /// How many key-value heads every member has made the keys, the values and the queries of by itself, in order, where
    /// each sequence has one new token; nil where heads have to wait for others' work.
    private func headsPerMember(_ block: Block, members: Int) -> Int? {
        let sizes = block.sizes
        let tokens = batch.tokens.count
        guard sizes.valueWidths == nil else { return nil }
        guard tokens == batch.spans.count, batch.spans.allSatisfy({ $0.count == 1 }),
            let features = block.key.rowsPerMember(batch: tokens, members: members),
            features % sizes.queryKeyWidth == 0
        else { return nil }
        let heads = features / sizes.queryKeyWidth
        guard heads * sizes.valueWidth == block.value.rowsPerMember(batch: tokens, members: members),
            features * (sizes.heads / sizes.keyValueHeads)
                == block.query.rowsPerMember(batch: tokens, members: members)
        else { return nil }
        return heads
    }

    private func rotation(_ layer: Int) -> RotaryTable? {
        rotations.isEmpty ? nil : rotations[rotations.count == 1 ? 0 : layer]
    }

    /// A member's share of the tokens and key-value heads.
    private func placeShare(_ layer: Int, _ block: Block, _ worker: Worker) {
        let heads = block.sizes.keyValueHeads
        let share = worker.share(of: batch.tokens.count * heads)
        guard !share.isEmpty else { return }
        let rotation = rotation(layer)
        for (sequence, span) in batch.spans.enumerated() {
            let cache = caches.isEmpty ? nil : caches[sequence]
            // The part of this sequence's tokens and heads that is this member's.
            for unit in share.clamped(to: span.lowerBound * heads..<span.upperBound * heads) {
                let (row, head) = unit.quotientAndRemainder(dividingBy: heads)
                place(layer, block, rotation, cache, row: row, head: head, sequence: sequence)
            }
        }
    }

    /// Biases, norms of heads, rotation to the token's position, directions that are kept, and the cache: of one token and
    /// key-value head.
    private func place(
        _ layer: Int, _ block: borrowing Block, _ rotation: RotaryTable?, _ cache: KeyValueCache?, row: Int, head: Int,
        sequence: Int
    ) {
        let sizes = block.sizes
        let group = sizes.heads / sizes.keyValueHeads
        let queryFeatures = head * group * sizes.queryKeyWidth..<(head + 1) * group * sizes.queryKeyWidth
        let keyFeatures = head * sizes.queryKeyWidth..<(head + 1) * sizes.queryKeyWidth
        let valueFeatures = block.valueLayout[head]
        let (queryRow, keyRow, valueRow) = (
            queries(layer).row(row) + queryFeatures.lowerBound, keys(layer).row(row) + keyFeatures.lowerBound,
            values(layer).row(row) + valueFeatures.lowerBound
        )
        block.query.addBias(to: queryRow, columns: queryFeatures)
        block.key.addBias(to: keyRow, columns: keyFeatures)
        block.value.addBias(to: valueRow, columns: valueFeatures)
        if let norm = block.queryNorm {
            let heads = MutableMatrixView(base: queryRow, rows: group, columns: sizes.queryKeyWidth)
            norm.apply(heads.readable, into: heads)
        }
        if let norm = block.keyNorm {
            let features = MutableMatrixView(base: keyRow, rows: 1, columns: sizes.queryKeyWidth)
            norm.apply(features.readable, into: features)
        }
        if let rotation {
            rotation.apply(queryRow, token: row, heads: group, keyValueHead: head)
            rotation.apply(keyRow, token: row, heads: 1, keyValueHead: head)
        }
        if let basis = block.keyBasis {
            let (width, ranks) = (sizes.queryKeyWidth, block.keyLayout[head])
            basis.apply(queryRow, rows: group, width: width, ranks, addingOffset: false)
            basis.apply(keyRow, rows: 1, width: width, ranks, addingOffset: true)
        }
        cache?.write(
            key: keyRow, value: valueRow, layer: layer, offset: row - batch.spans[sequence].lowerBound, head: head)
    }
}
