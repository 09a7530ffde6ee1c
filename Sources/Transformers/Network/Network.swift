import ModelFiles
import StructuredMatrices
import Tensors

/// A transformer: what turns tokens into the first block's input, the blocks, and what makes scores or embeddings of the last
/// one's output. Every architecture here is one of these, with its own names and options.
public struct Network: Sendable {
    /// Hugging Face's `model_type`.
    let architecture: String
    /// Whether a token sees only itself and those before it.
    let isCausal: Bool
    /// Whether norms stand before attention and feed-forward network, or after the sums.
    let normalizesFirst: Bool
    /// Features of the residual stream, before any is cut away, and of an embedding.
    let width: Int
    let maximumPositions: Int
    /// How `config.json` names the sizes of blocks.
    let sizeKeys: SizeKeys
    /// Nil without rotary positions.
    let rotary: RotaryEmbedding?
    var input: Input
    var output: Output
    /// What the places outside of blocks hold.
    var tables: [Place: Linear]
    var blocks: [Block]

    /// What turns tokens into the first block's input: a row of a table for each, through a projection where the table is
    /// narrower or wider than the stream; plus a constant, plus a row for the position; then a norm.
    struct Input: Sendable {
        let words: String
        var projection: String?
        var positions: String?
        var positionRule = PositionRule.from(0)
        /// How the table of positions is stored, if not as `<name>.weight`.
        var storedPositions: StoredWeight?
        var storedProjection: StoredWeight?
        /// Added to every token.
        var constantName: String?
        var constant: [Float] = []
        /// Stands for what the first token's row would give.
        var firstName: String?
        var first: [Float] = []
        var normName: String?
        var norm: Norm?
        /// Whether the rows of words are part of the model, not of what it is given.
        var hasTable = true
    }

    /// What follows the last block: a norm, a projection, and for causal models the output head.
    struct Output: Sendable {
        var normName: String?
        var norm: Norm?
        var projection: String?
        /// The head's own weight; nil where there is no head, or where the table of words is the head.
        var head: String?
        var isTied = false
    }

    /// Which row of the table of positions a token gets.
    enum PositionRule: Sendable, Hashable {
        /// Its place in the sequence plus an offset.
        case from(Int)
        /// RoBERTa: its place among the tokens that are no padding, counted from the padding's id + 1; padding gets the row of
        /// its own id.
        case afterPadding(Int)

        func rows(_ tokens: some Collection<Int>, start: Int) -> [Int] {
            switch self {
            case .from(let offset):
                return Array(start + offset..<start + offset + tokens.count)
            case .afterPadding(let padding):
                var next = padding + start
                return tokens.map { token in
                    if token == padding { return padding }
                    next += 1
                    return next
                }
            }
        }
    }

    /// Where a matrix lies.
    enum Place: Sendable, Hashable {
        case words, inputProjection, positions
        case block(Int, BlockMatrix)
        case outputProjection, head
    }

    /// A place that is a site, with its name.
    struct NamedPlace: Sendable {
        let name: String
        let place: Place
        let role: MatrixSite.Role
        let input: String?
        let stored: StoredWeight?
    }

    static let headInput = "head input"
    /// A head of its own, as every architecture here calls it.
    static let headName = "lm_head"

    /// Features of the stream before a block, or behind the last.
    func streamWidth(before block: Int) -> Int {
        block < blocks.count ? blocks[block].stream.attention : blocks.last?.stream.output ?? width
    }

    /// Features of the stream at every place (`StreamPlace`).
    var streamWidths: [Int] {
        blocks.flatMap { [$0.stream.attention, $0.stream.feedForward] } + [streamWidth(before: blocks.count)]
    }

    /// Whether skip matrices carry the stream past parts.
    var isStreamCut: Bool { blocks.contains { $0.hasAttentionSkip || $0.hasFeedForwardSkip } }

    /// Features of the stream where it has most.
    var widestStream: Int {
        blocks.reduce(streamWidth(before: 0)) { max($0, $1.stream.feedForward, $1.stream.output) }
    }

    subscript(place: Place) -> Linear {
        get {
            guard case .block(let index, let matrix) = place else { return tables[place] ?? .none }
            return blocks[index][matrix]
        }
        set {
            guard case .block(let index, let matrix) = place else { return tables[place] = newValue }
            blocks[index][matrix] = newValue
        }
    }

    /// The head's own weight, or the table of words where that is the head; nil for encoders.
    var headPlace: Place? { output.head != nil ? .head : output.isTied ? .words : nil }

    /// Every place that may be compressed, in the order of the computation.
    var places: [NamedPlace] {
        var result: [NamedPlace] = []
        func add(
            _ name: String?, _ place: Place, _ role: MatrixSite.Role, input: String?, stored: StoredWeight? = nil
        ) {
            guard let name else { return }
            result.append(NamedPlace(name: name, place: place, role: role, input: input, stored: stored))
        }
        if self.input.hasTable {
            add(self.input.words, .words, .embedding, input: output.isTied ? Self.headInput : nil)
        }
        add(
            self.input.projection, .inputProjection, .linear, input: self.input.projection.map { "\($0) input" },
            stored: self.input.storedProjection)
        add(self.input.positions, .positions, .embedding, input: nil, stored: self.input.storedPositions)
        for (index, block) in blocks.enumerated() {
            for matrix in block.matrices {
                add(
                    block.names.name(of: matrix), .block(index, matrix), .linear, input: block.names.input(of: matrix),
                    stored: block.stored[matrix])
            }
        }
        add(output.projection, .outputProjection, .linear, input: output.projection.map { "\($0) input" })
        add(output.head, .head, .linear, input: Self.headInput)
        return result
    }

    /// As `TransformerModel.prepare`: all matrices that are multiplied with.
    mutating func prepare(_ options: PreparationOptions, context: ExecutionContext) {
        var multiplied = places.filter { $0.role == .linear }.map(\.place)
        if output.isTied { multiplied.append(.words) }
        multiplied.removeAll { place in
            guard case .block(let index, let matrix) = place else { return false }
            return !matrix.isAttention && blocks[index].cutsExperts
        }
        let weights = multiplied.map { self[$0].weight }
        for (place, product) in zip(multiplied, preparedProducts(weights, options, context: context)) {
            self[place].prepared = product
        }
        prepareExperts(options, context: context)
    }
}

/// A model that is a `Network`.
public protocol NetworkModel: TransformerModel {
    var network: Network { get set }
}

extension NetworkModel {
    public var architecture: String { network.architecture }
    public var maximumPositions: Int { network.maximumPositions }

    /// Which matrices and vectors share a width, and how heads and neurons tie them together.
    public var coupling: ModelCoupling { ModelCoupling(network) }

    public var sites: [MatrixSite] {
        network.places.map { place in
            MatrixSite(
                name: place.name, shape: network[place.place].weight.shape, role: place.role, input: place.input,
                stored: place.stored)
        }
    }

    public subscript(site name: String) -> any StructuredMatrix {
        get { network[place(name)].weight }
        set { network[place(name)].weight = newValue }
    }

    private func place(_ name: String) -> Network.Place {
        guard let place = network.places.first(where: { $0.name == name })?.place else {
            preconditionFailure("no matrix '\(name)' in this model")
        }
        return place
    }

    public mutating func prepare(_ options: PreparationOptions, context: ExecutionContext) {
        network.prepare(options, context: context)
    }
}
