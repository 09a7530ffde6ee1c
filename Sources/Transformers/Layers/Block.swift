import ModelFiles
import StructuredMatrices
import Tensors

/// One block of a transformer: attention, then a feed-forward network, each added to the residual stream, each with a norm
/// before it or after the sum.
///
/// A part of no width adds the bias of its output alone, which is what is left of it when its last head or neuron goes.
struct Block: Sendable {
    var sizes: BlockSizes
    var stream: BlockStream
    /// A token attends to itself and this many - 1 before it; nil for all.
    let window: Int?
    let names: BlockNames
    /// What places of the block are stored in another form than `<name>.weight`, outputs x inputs.
    var stored: [BlockMatrix: StoredWeight]

    var attentionNorm: Norm
    var query: Linear
    var key: Linear
    var value: Linear
    var attentionOutput: Linear
    /// Of each head's features, before the rotation.
    var queryNorm: Norm?
    var keyNorm: Norm?
    var feedForwardNorm: Norm
    /// Of no rows where the network is not gated.
    var gate: Linear
    var up: Linear
    var down: Linear
    /// What carries the stream past a part where the stream is cut; of no rows where it goes as it is.
    var attentionSkip = Linear.none
    var feedForwardSkip = Linear.none
    /// Nil where keys are kept as they are.
    var keyBasis: KeyBasis?
    let activation: Activation
    /// What makes experts of the feed-forward network's neurons; nil where all of them run for every token.
    var experts: RoutedExperts?
    /// Made by `TransformerModel.prepare` where there are experts; the matrices have no prepared form of their own then.
    var preparedExperts: PreparedExperts?

    /// What a cache keeps of keys, and the features of values.
    var keyLayout: HeadLayout {
        HeadLayout(heads: sizes.keyValueHeads, width: sizes.queryKeyWidth, widths: sizes.keyRanks)
    }
    var valueLayout: HeadLayout {
        HeadLayout(heads: sizes.keyValueHeads, width: sizes.valueWidth, widths: sizes.valueWidths)
    }

    var isGated: Bool { names.gate != nil }
    var hasAttentionSkip: Bool { attentionSkip.weight.shape.rows > 0 }
    var hasFeedForwardSkip: Bool { feedForwardSkip.weight.shape.rows > 0 }

    /// The matrices there are, in the order of the computation.
    var matrices: [BlockMatrix] {
        BlockMatrix.allCases.filter { matrix in
            switch matrix {
            case .attentionSkip: hasAttentionSkip
            case .feedForwardSkip: hasFeedForwardSkip
            default: matrix.isAttention ? sizes.heads > 0 : sizes.feedForwardWidth > 0 && (matrix != .gate || isGated)
            }
        }
    }

    subscript(matrix: BlockMatrix) -> Linear {
        get {
            switch matrix {
            case .query: query
            case .key: key
            case .value: value
            case .attentionOutput: attentionOutput
            case .gate: gate
            case .up: up
            case .down: down
            case .attentionSkip: attentionSkip
            case .feedForwardSkip: feedForwardSkip
            }
        }
        set {
            if !matrix.isAttention { preparedExperts = nil }
            switch matrix {
            case .query: query = newValue
            case .key: key = newValue
            case .value: value = newValue
            case .attentionOutput: attentionOutput = newValue
            case .gate: gate = newValue
            case .up: up = newValue
            case .down: down = newValue
            case .attentionSkip: attentionSkip = newValue
            case .feedForwardSkip: feedForwardSkip = newValue
            }
        }
    }
}

/// The matrices of a block.
public enum BlockMatrix: String, Sendable, Hashable, CaseIterable {
    case query, key, value, attentionOutput, gate, up, down
    /// What carries a cut stream past the attention, and past the feed-forward part.
    case attentionSkip, feedForwardSkip

    /// Those of a feed-forward network, in the order of the computation.
    public static let feedForward: [BlockMatrix] = [.gate, .up, .down]

    var isAttention: Bool {
        switch self {
        case .query, .key, .value, .attentionOutput, .attentionSkip: true
        case .gate, .up, .down, .feedForwardSkip: false
        }
    }

    var isSkip: Bool { self == .attentionSkip || self == .feedForwardSkip }

    /// Outputs and inputs.
    func shape(_ sizes: BlockSizes, _ stream: BlockStream) -> MatrixShape {
        switch self {
        case .query: MatrixShape(rows: sizes.heads * sizes.queryKeyWidth, columns: stream.attention)
        case .key: MatrixShape(rows: sizes.keyValueHeads * sizes.queryKeyWidth, columns: stream.attention)
        case .value: MatrixShape(rows: sizes.valueFeatures, columns: stream.attention)
        case .attentionOutput: MatrixShape(rows: stream.feedForward, columns: sizes.mixedFeatures)
        case .gate, .up: MatrixShape(rows: sizes.feedForwardWidth, columns: stream.feedForward)
        case .down: MatrixShape(rows: stream.output, columns: sizes.feedForwardWidth)
        case .attentionSkip: MatrixShape(rows: stream.feedForward, columns: stream.attention)
        case .feedForwardSkip: MatrixShape(rows: stream.output, columns: stream.feedForward)
        }
    }
}

/// The names of a block's tensors, without ".weight" and ".bias", and of its distinct linear inputs.
struct BlockNames: Sendable, Hashable {
    let block: String
    let query, key, value, attentionOutput: String
    /// Nil where the feed-forward network is not gated.
    let gate: String?
    let up, down: String
    let attentionNorm, feedForwardNorm: String
    let queryNorm, keyNorm: String?
    let attentionInput, attentionOutputInput, feedForwardInput, downInput: String
    /// Of the directions in which keys are kept, and of what is added to their coordinates.
    var keyDirections: String { "\(block).key_basis.weight" }
    var keyOffset: String { "\(block).key_basis.offset" }

    /// - Parameters:
    ///   - attention: the four matrices and the norm, behind the block's name and a dot.
    ///   - inputs: the names of what the projections and the first feed-forward matrices read.
    init(
        _ block: String, attention: (query: String, key: String, value: String, output: String, norm: String),
        headNorms: (query: String, key: String)? = nil,
        feedForward: (gate: String?, up: String, down: String, norm: String), inputs: (attention: String, feedForward: String)
    ) {
        self.block = block
        query = "\(block).\(attention.query)"
        key = "\(block).\(attention.key)"
        value = "\(block).\(attention.value)"
        attentionOutput = "\(block).\(attention.output)"
        attentionNorm = "\(block).\(attention.norm)"
        queryNorm = headNorms.map { "\(block).\($0.query)" }
        keyNorm = headNorms.map { "\(block).\($0.key)" }
        gate = feedForward.gate.map { "\(block).\($0)" }
        up = "\(block).\(feedForward.up)"
        down = "\(block).\(feedForward.down)"
        feedForwardNorm = "\(block).\(feedForward.norm)"
        attentionInput = "\(block).\(inputs.attention) input"
        attentionOutputInput = "\(attentionOutput) input"
        feedForwardInput = "\(block).\(inputs.feedForward) input"
        downInput = "\(down) input"
    }

    func name(of matrix: BlockMatrix) -> String {
        switch matrix {
        case .query: query
        case .key: key
        case .value: value
        case .attentionOutput: attentionOutput
        case .gate: gate ?? ""
        case .up: up
        case .down: down
        case .attentionSkip: "\(block).attention_skip"
        case .feedForwardSkip: "\(block).feed_forward_skip"
        }
    }

    func input(of matrix: BlockMatrix) -> String {
        switch matrix {
        case .query, .key, .value: attentionInput
        case .attentionOutput: attentionOutputInput
        case .gate, .up: feedForwardInput
        case .down: downInput
        case .attentionSkip, .feedForwardSkip: "\(name(of: matrix)) input"
        }
    }
}
