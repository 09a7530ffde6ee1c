/// A width that several matrices and vectors share: what goes from one of them goes from all.
public struct CoupledWidth: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        case residual
        /// Of a cut stream, at one of its places (`StreamPlace`).
        case place(Int)
        /// Of a block, by its index: hidden features; features of the heads' queries and keys; those of the values.
        case feedForward(Int)
        case queryKey(Int)
        case value(Int)
    }

    /// A matrix and the side on which it has the width.
    public struct Member: Sendable, Hashable {
        public enum Side: String, Sendable, Hashable {
            /// Rows of W: what it gives.
            case outputs
            /// Columns of W: what it reads.
            case inputs
        }

        public let site: String
        public let side: Side
        /// How many consecutive members of this matrix belong to one of the group, such as query heads to a key head.
        public let headsPerGroup: Int

        public init(_ site: String, _ side: Side, headsPerGroup: Int = 1) {
            self.site = site
            self.side = side
            self.headsPerGroup = headsPerGroup
        }
    }

    public let kind: Kind
    /// Groups of the width that go whole or keep their number of features: key-value heads; 1 without heads.
    public let groups: Int
    /// Features of a group.
    public let width: Int
    public let members: [Member]
    /// Vectors with a number for each feature (of each head, where the matrices have heads).
    public let vectors: [String]
    /// Vectors with a number for each feature of one head, the same for all.
    public let sharedVectors: [String]

    public init(
        kind: Kind, groups: Int = 1, width: Int, members: [Member], vectors: [String] = [], sharedVectors: [String] = []
    ) {
        self.kind = kind
        self.groups = groups
        self.width = width
        self.members = members
        self.vectors = vectors
        self.sharedVectors = sharedVectors
    }
}

extension ModelCoupling {
    /// Every width that is shared: the residual stream's (of a cut one at each place), then block by block.
    public var widths: [CoupledWidth] {
        (residual.widths.isEmpty ? [residualWidth] : placeWidths) + blocks.enumerated().flatMap { index, block in Self.widths(of: block, index) }
    }

    /// The stream's width over the whole model.
    public var residualWidth: CoupledWidth {
        var members = residual.tables.map { CoupledWidth.Member($0, .inputs) }
        members += residual.writers.map { CoupledWidth.Member($0.site, .outputs) }
        var vectors = residual.constants + residual.writers.compactMap(\.bias)
        vectors += Self.vectors(of: residual.inputNorm)
        for block in blocks {
            vectors += Self.vectors(of: block.attentionNorm)
            if let attention = block.attention {
                members += [attention.query, attention.key, attention.value].map { CoupledWidth.Member($0.site, .inputs) }
                members.append(CoupledWidth.Member(attention.output.site, .outputs))
                vectors += [attention.output.bias].compactMap { $0 }
            }
            vectors += Self.vectors(of: block.feedForwardNorm)
            if let network = block.feedForward {
                members += [network.gate, network.up].compactMap { $0 }.map { CoupledWidth.Member($0.site, .inputs) }
                members.append(CoupledWidth.Member(network.down.site, .outputs))
                vectors += [network.down.bias].compactMap { $0 }
            }
            vectors += block.leftBiases
        }
        vectors += Self.vectors(of: residual.outputNorm)
        // A tied table is listed once: its columns are the stream both ways.
        members += residual.readers.map { CoupledWidth.Member($0.site, .inputs) }
        return CoupledWidth(kind: .residual, width: residual.width, members: members, vectors: vectors)
    }

    /// The biases of all norms of the stream.
    public var normBiases: [String] {
        let norms = [residual.inputNorm, residual.outputNorm] + blocks.flatMap { [$0.attentionNorm, $0.feedForwardNorm] }
        return norms.compactMap { $0?.bias }
    }

    private static func vectors(of norm: NormDescription?) -> [String] {
        norm.map { [$0.weight] + [$0.bias].compactMap { $0 } } ?? []
    }

    private static func widths(of block: BlockDescription, _ index: Int) -> [CoupledWidth] {
        var result: [CoupledWidth] = []
        if let attention = block.attention {
            let group = attention.heads / attention.keyValueHeads
            result.append(
                CoupledWidth(
                    kind: .queryKey(index), groups: attention.keyValueHeads, width: attention.queryKeyWidth,
                    members: [
                        CoupledWidth.Member(attention.query.site, .outputs, headsPerGroup: group),
                        CoupledWidth.Member(attention.key.site, .outputs),
                    ],
                    vectors: [attention.query.bias, attention.key.bias].compactMap { $0 },
                    sharedVectors: vectors(of: attention.queryNorm) + vectors(of: attention.keyNorm)))
            result.append(
                CoupledWidth(
                    kind: .value(index), groups: attention.keyValueHeads, width: attention.valueWidth,
                    members: [
                        CoupledWidth.Member(attention.value.site, .outputs),
                        CoupledWidth.Member(attention.output.site, .inputs, headsPerGroup: group),
                    ],
                    vectors: [attention.value.bias].compactMap { $0 }))
        }
        if let network = block.feedForward {
            let wide = [network.gate, network.up].compactMap { $0 }
            result.append(
                CoupledWidth(
                    kind: .feedForward(index), width: network.width,
                    members: wide.map { CoupledWidth.Member($0.site, .outputs) }
                        + [CoupledWidth.Member(network.down.site, .inputs)],
                    vectors: wide.compactMap(\.bias)))
        }
        return result
    }
}
