import ModelFiles

/// The keys of `config.json` that say how many blocks an architecture has, how large they are, and which biases they have; nil
/// where the architecture has no such key.
struct SizeKeys: Sendable, Hashable {
    let blocks: String
    /// Lists of one entry for each block.
    var blockLists: [String] = []
    /// How many blocks, from the first on, are unlike the others, each with what it is where the key is absent.
    var leadingBlocks: [String: Int] = [:]
    let heads: String
    var keyValueHeads: String?
    var headWidth: String?
    let feedForward: String
    var attentionBias: String?
    var feedForwardBias: String?
    var hasLayerNorms = true
}

/// A model whose blocks were narrowed or emptied, as other programs may read it.
extension LoadedModel {
    /// `config.json` without the section that only Tessera reads: the sizes of the blocks in the architecture's own keys.
    /// - Throws: `TransformersError.notExpressible` where it has none for them; `ModelFileError`.
    public func ordinaryConfiguration() throws -> ModelConfiguration {
        var configuration = configuration
        if let widths = try configuration.cutStream()?.widths, let least = widths.min(), let most = widths.max() {
            // Full-width matrices W Q^T could say what is read and written, but nothing ordinary carries the stream past a part
            // other than as it is.
            throw refuse(
                "its residual stream is cut to \(least == most ? "\(least)" : "between \(least) and \(most)") features and "
                    + "passes through skip matrices, so it opens only in Tessera")
        }
        if let blocks = try configuration.blockSizes() {
            for (key, number) in try ordinarySizes(blocks.map(\.withoutExperts)) { configuration.root[key] = .integer(Int64(number)) }
            try leaveOutIdleBlocks(of: &configuration)
            configuration.setBlockSizes(nil)
        }
        if try configuration.dropsMeans() {
            // Root-mean-square norms are what such architectures have anyway.
            let hasLayerNorms = (model as? any NetworkModel)?.network.sizeKeys.hasLayerNorms ?? false
            guard !hasLayerNorms else { throw refuse("its norms do not subtract the mean") }
            configuration.setDropsMeans(false)
        }
        for key in try biasKeys() { configuration.root[key] = .bool(true) }
        configuration.setAddedBiases([])
        configuration.setStructuredEntries([])
        return configuration
    }

    /// Biases of zeros that an ordinary folder needs because others of the same kind were added: names and counts.
    /// - Throws: as `ordinaryConfiguration`.
    public func missingBiases() throws -> [(name: String, count: Int)] {
        guard let network = (model as? any NetworkModel)?.network else { return [] }
        let keys = try biasKeys()
        return network.blocks.flatMap { block in
            block.matrices.compactMap { matrix in
                let key = matrix.isAttention ? network.sizeKeys.attentionBias : network.sizeKeys.feedForwardBias
                guard let key, keys.contains(key), block[matrix].bias == nil else { return nil }
                return ("\(block.names.name(of: matrix)).bias", block[matrix].weight.shape.rows)
            }
        }
    }

    func refuse(_ reason: String) -> TransformersError {
        .notExpressible(folder: folder, architecture: model.architecture, reason: reason)
    }

    /// The keys that say that there are biases, where some were added.
    private func biasKeys() throws -> [String] {
        let added = Set(try configuration.addedBiases())
        guard !added.isEmpty, let network = (model as? any NetworkModel)?.network else { return [] }
        var (keys, left): (Set<String>, Set<String>) = ([], added)
        for block in network.blocks {
            for matrix in BlockMatrix.allCases where added.contains(block.names.name(of: matrix)) {
                let key = matrix.isAttention ? network.sizeKeys.attentionBias : network.sizeKeys.feedForwardBias
                guard let key else { continue }
                keys.insert(key)
                left.remove(block.names.name(of: matrix))
            }
        }
        if let name = left.sorted().first {
            throw refuse("'\(name)' has a bias, and config.json has no key for it")
        }
        return keys.sorted()
    }

    private func ordinarySizes(_ blocks: [BlockSizes]) throws -> [(key: String, number: Int)] {
        guard let network = (model as? any NetworkModel)?.network else { return [] }
        let (keys, left) = (network.sizeKeys, try blocksLeft.filter(blocks.indices.contains))
        guard let first = left.first else { return [] }
        let sizes = blocks[first]
        guard blocks.allSatisfy({ $0.keyRanks == nil && $0.valueWidths == nil }) else {
            throw refuse("keys and values are kept in directions of each head's own, so it opens only in Tessera")
        }
        if let index = left.first(where: { blocks[$0] != sizes }) {
            throw refuse("block \(index) has other sizes than block \(first), and config.json says them once for all")
        }
        guard sizes.heads > 0, sizes.feedForwardWidth > 0 else {
            throw refuse("its blocks have no \(sizes.heads > 0 ? "feed-forward network" : "attention")")
        }
        guard sizes.queryKeyWidth == sizes.valueWidth else {
            throw refuse(
                "queries and keys have \(sizes.queryKeyWidth) features a head, values \(sizes.valueWidth)")
        }
        let whole = (0..<sizes.keyValueHeads).flatMap { _ in 0..<sizes.queryKeyWidth / 2 }
        guard sizes.rotaryPairs == nil || sizes.rotaryPairs == whole else {
            throw refuse("some rotary pairs of features are gone")
        }
        var result = [(keys.heads, sizes.heads), (keys.feedForward, sizes.feedForwardWidth)]
        if let key = keys.keyValueHeads {
            result.append((key, sizes.keyValueHeads))
        } else if sizes.keyValueHeads != sizes.heads {
            throw refuse("heads share keys and values, and config.json has no key for it")
        }
        if let key = keys.headWidth {
            result.append((key, sizes.queryKeyWidth))
        } else if sizes.heads * sizes.queryKeyWidth != network.width {
            throw refuse(
                "\(sizes.heads) heads of \(sizes.queryKeyWidth) features do not make up the \(network.width) of the stream, "
                    + "and config.json has no key for the width of a head")
        }
        return result
    }
}

extension BlockSizes {
    /// All experts together are the network that they were cut from.
    fileprivate var withoutExperts: BlockSizes {
        var sizes = self
        sizes.experts = nil
        return sizes
    }
}
