import Tensors

/// How much memory a pass needs: the widest of every kind of activation over all blocks, and scratch.
struct PassSizes {
    var query = 0
    var mixed = 0
    var key = 0
    var value = 0
    var gate = 0
    var up = 0
    /// Features of the output projection's result.
    var projected = 0
    /// The stream as skip matrices leave it.
    var skipped = 0
    /// Floats of scratch: what products between two barriers need, skip matrices apart, and what one member's attention does.
    var products = 0
    var skips = 0
    var attention = 0
    var experts = ExpertMemory.Sizes()

    /// Floats for each token, beside what is as wide as the stream.
    var perToken: Int { query + mixed + key + value + gate + up + skipped }

    init(_ network: Network, tokens: Int, wanted: Int) {
        for index in network.blocks.indices {
            let block = network.blocks[index]
            let sizes = block.sizes
            query = max(query, sizes.heads * sizes.queryKeyWidth)
            mixed = max(mixed, sizes.mixedFeatures)
            key = max(key, sizes.keyValueHeads * sizes.queryKeyWidth)
            value = max(value, sizes.valueFeatures)
            up = max(up, sizes.feedForwardWidth)
            if block.isGated { gate = max(gate, sizes.feedForwardWidth) }
            func scratch(_ matrices: [BlockMatrix]) -> Int {
                matrices.reduce(0) { $0 + block[$1].scratchFloats(batch: tokens) }
            }
            products = max(
                products, scratch([.query, .key, .value]), scratch([.attentionOutput]), scratch([.gate, .up]),
                scratch([.down]))
            if block.hasAttentionSkip { skipped = max(skipped, block.stream.feedForward) }
            if block.hasFeedForwardSkip { skipped = max(skipped, block.stream.output) }
            skips = max(skips, scratch([.attentionSkip]), scratch([.feedForwardSkip]))
            if let own = block.experts { experts.include(own) }
            if sizes.heads > 0 { attention = max(attention, network.attention(block).scratchFloats) }
        }
        products = max(products, network[.inputProjection].scratchFloats(batch: tokens))
        let ending = network.headPlace == nil ? tokens : wanted
        products = max(products, network[.outputProjection].scratchFloats(batch: ending))
        if let head = network.headPlace { products = max(products, network[head].scratchFloats(batch: ending)) }
        if network.output.projection != nil { projected = network[.outputProjection].weight.shape.rows }
    }
}

extension Network {
    /// The attention of a block.
    func attention(_ block: Block) -> Attention {
        let sizes = block.sizes
        return Attention(
            heads: sizes.heads, keyValueHeads: sizes.keyValueHeads, queryKeyWidth: sizes.queryKeyWidth,
            keys: block.keyLayout, values: block.valueLayout, causal: isCausal, window: block.window)
    }
}
