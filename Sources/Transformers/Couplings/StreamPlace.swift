/// What belongs to the residual stream at one place: before a block's attention (place 2 i of block i), before its
/// feed-forward part (2 i + 1), or behind the last block. The stream can be turned, or cut, at each of them by itself as long
/// as a matrix leads from one to the next.
public struct StreamPlace: Sendable, Hashable {
    /// Tables whose columns are the stream's features here.
    public var tables: [String] = []
    /// Matrices whose outputs are added to the stream here.
    public var writers: [LinearDescription] = []
    /// Vectors added to it, or standing for a row of a table.
    public var constants: [String] = []
    /// The norm through which what is here is read, where norms stand first; else the norm that made it.
    public var norm: NormDescription?
    /// Matrices that read it.
    public var readers: [LinearDescription] = []
    /// What leads here and on from here, where the stream does not go as it is.
    public var skipHere: String?
    public var skipOn: String?

    /// Matrices with the side on which they have the place's features.
    public var members: [CoupledWidth.Member] {
        tables.map { CoupledWidth.Member($0, .inputs) } + writers.map { CoupledWidth.Member($0.site, .outputs) }
            + [skipHere].compactMap { $0.map { CoupledWidth.Member($0, .outputs) } }
            + readers.map { CoupledWidth.Member($0.site, .inputs) }
            + [skipOn].compactMap { $0.map { CoupledWidth.Member($0, .inputs) } }
    }

    /// Vectors with a number for each of the place's features.
    public var vectors: [String] {
        constants + writers.compactMap(\.bias) + (norm.map { [$0.weight] + [$0.bias].compactMap { $0 } } ?? [])
    }
}

extension ModelCoupling {
    /// Every place of the stream in order: twice the blocks and one.
    public var places: [StreamPlace] {
        var places = Array(repeating: StreamPlace(), count: 2 * blocks.count + 1)
        places[0].tables = residual.tables
        places[0].writers = residual.writers
        places[0].constants = residual.constants
        if !residual.normalizesFirst { places[0].norm = residual.inputNorm }
        // A norm that stands first belongs to what is read, one that stands last to what was made.
        let behind = residual.normalizesFirst ? 0 : 1
        for (index, block) in blocks.enumerated() {
            let (before, middle) = (2 * index, 2 * index + 1)
            places[before + behind].norm = block.attentionNorm
            if let attention = block.attention {
                places[before].readers = [attention.query, attention.key, attention.value]
                places[middle].writers.append(attention.output)
            }
            places[middle + behind].norm = block.feedForwardNorm
            if let network = block.feedForward {
                places[middle].readers = [network.gate, network.up].compactMap { $0 }
                places[middle + 1].writers.append(network.down)
            }
            places[middle].constants += [block.leftAttentionBias].compactMap { $0 }
            places[middle + 1].constants += [block.leftFeedForwardBias].compactMap { $0 }
            (places[before].skipOn, places[middle].skipHere) = (block.attentionSkip?.site, block.attentionSkip?.site)
            (places[middle].skipOn, places[middle + 1].skipHere) = (block.feedForwardSkip?.site, block.feedForwardSkip?.site)
        }
        let last = places.count - 1
        if residual.normalizesFirst { places[last].norm = residual.outputNorm }
        places[last].readers = residual.readers
        return places
    }

    /// The widths of a cut stream, place by place.
    var placeWidths: [CoupledWidth] {
        zip(places, residual.widths).enumerated().map { index, place in
            CoupledWidth(kind: .place(index), width: place.1, members: place.0.members, vectors: place.0.vectors)
        }
    }
}
