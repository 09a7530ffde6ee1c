import ModelFiles

extension ModelCoupling {
    /// Read off a network: names, sizes, what is there and what is not.
    init(_ network: Network) {
        func linear(_ name: String, _ place: Network.Place) -> LinearDescription {
            LinearDescription(site: name, bias: network[place].bias == nil ? nil : "\(name).bias")
        }
        let (input, output) = (network.input, network.output)
        var tables: [String] = []
        var writers: [LinearDescription] = []
        if let projection = input.projection {
            writers.append(linear(projection, .inputProjection))
        } else {
            tables.append(input.words)
        }
        if let positions = input.positions { tables.append(positions) }
        var readers: [LinearDescription] = []
        if let projection = output.projection {
            readers.append(linear(projection, .outputProjection))
        } else if let head = output.head {
            readers.append(linear(head, .head))
        }
        residual = ResidualStream(
            width: network.width, widths: network.isStreamCut ? network.streamWidths : [],
            normalizesFirst: network.normalizesFirst, tables: tables, writers: writers,
            constants: [input.constantName, input.firstName].compactMap { $0 },
            inputNorm: Self.norm(input.norm, input.normName), outputNorm: Self.norm(output.norm, output.normName),
            readers: readers)
        blocks = network.blocks.map { Self.block($0, rotary: network.rotary) }
        tied = output.isTied ? TiedMatrix(site: input.words, readsStream: output.projection == nil) : nil
    }

    private static func norm(_ norm: Norm?, _ name: String?) -> NormDescription? {
        guard let norm, let name, !norm.weight.isEmpty else { return nil }
        return NormDescription(norm.kind, name)
    }

    private static func block(_ block: Block, rotary: RotaryEmbedding?) -> BlockDescription {
        let (names, sizes) = (block.names, block.sizes)
        func linear(_ matrix: BlockMatrix) -> LinearDescription {
            let name = names.name(of: matrix)
            return LinearDescription(site: name, bias: block[matrix].bias == nil ? nil : "\(name).bias")
        }
        var attention: AttentionDescription?
        if sizes.heads > 0 {
            let all = rotary.map { rotary in
                (0..<sizes.keyValueHeads).flatMap { _ in rotary.frequencies.indices }
            }
            attention = AttentionDescription(
                query: linear(.query), key: linear(.key), value: linear(.value), output: linear(.attentionOutput),
                heads: sizes.heads, keyValueHeads: sizes.keyValueHeads, queryKeyWidth: sizes.queryKeyWidth,
                valueWidth: sizes.valueWidth, rotaryPairs: all.map { sizes.rotaryPairs ?? $0 },
                queryNorm: norm(block.queryNorm, names.queryNorm), keyNorm: norm(block.keyNorm, names.keyNorm),
                window: block.window)
        }
        var feedForward: FeedForwardDescription?
        if sizes.feedForwardWidth > 0 {
            feedForward = FeedForwardDescription(
                gate: block.isGated ? linear(.gate) : nil, up: linear(.up), down: linear(.down),
                activation: block.activation, width: sizes.feedForwardWidth)
        }
        return BlockDescription(
            name: names.block, attentionNorm: norm(block.attentionNorm, names.attentionNorm), attention: attention,
            feedForwardNorm: norm(block.feedForwardNorm, names.feedForwardNorm), feedForward: feedForward,
            leftAttentionBias: attention == nil ? linear(.attentionOutput).bias : nil,
            leftFeedForwardBias: feedForward == nil ? linear(.down).bias : nil,
            attentionSkip: block.hasAttentionSkip ? linear(.attentionSkip) : nil,
            feedForwardSkip: block.hasFeedForwardSkip ? linear(.feedForwardSkip) : nil)
    }
}
