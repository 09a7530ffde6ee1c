import ModelFiles
import Tensors

/// A linear layer, by the names of what it is made of.
public struct LinearDescription: Sendable, Hashable {
    /// The matrix: a `MatrixSite.name`.
    public let site: String
    /// A vector of the model (`NetworkModel.subscript(vector:)`), one number per output; nil without a bias.
    public let bias: String?

    public init(site: String, bias: String? = nil) {
        self.site = site
        self.bias = bias
    }
}

/// A norm, by the names of its vectors.
public struct NormDescription: Sendable, Hashable {
    public let kind: Norm.Kind
    public let weight: String
    /// Nil for the root mean square.
    public let bias: String?

    public init(kind: Norm.Kind, weight: String, bias: String? = nil) {
        self.kind = kind
        self.weight = weight
        self.bias = bias
    }

    /// The norm whose vectors are `<name>.weight` and `<name>.bias`.
    public init(_ kind: Norm.Kind, _ name: String) {
        self.init(kind: kind, weight: "\(name).weight", bias: kind == .layer ? "\(name).bias" : nil)
    }
}

/// The attention of a block: how its four matrices belong together.
///
/// Output (h, j) of the queries, with h a head and j below `queryKeyWidth`, is row h queryKeyWidth + j; query head h reads
/// key-value head h / (heads / keyValueHeads). Input (h, j) of the output matrix is fed by value (h / (heads / keyValueHeads), j),
/// with j below `valueWidth`. Scores are divided by the square root of `queryKeyWidth`.
public struct AttentionDescription: Sendable, Hashable {
    public let query: LinearDescription
    public let key: LinearDescription
    public let value: LinearDescription
    public let output: LinearDescription
    public let heads: Int
    public let keyValueHeads: Int
    public let queryKeyWidth: Int
    public let valueWidth: Int
    /// Rotary positions turn features j and j + queryKeyWidth / 2 of a head together, so that only such pairs can go, and
    /// nothing may mix features: which original pair each is, keyValueHeads x queryKeyWidth / 2; nil without.
    public let rotaryPairs: [Int]?
    /// Of each head's features before the turn: one weight for all heads, which ties their features together.
    public let queryNorm: NormDescription?
    public let keyNorm: NormDescription?
    /// Tokens a token attends to, itself counted; nil for all.
    public let window: Int?

    public init(
        query: LinearDescription, key: LinearDescription, value: LinearDescription, output: LinearDescription, heads: Int,
        keyValueHeads: Int, queryKeyWidth: Int, valueWidth: Int, rotaryPairs: [Int]? = nil,
        queryNorm: NormDescription? = nil, keyNorm: NormDescription? = nil, window: Int? = nil
    ) {
        self.query = query
        self.key = key
        self.value = value
        self.output = output
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.queryKeyWidth = queryKeyWidth
        self.valueWidth = valueWidth
        self.rotaryPairs = rotaryPairs
        self.queryNorm = queryNorm
        self.keyNorm = keyNorm
        self.window = window
    }
}

/// The feed-forward network of a block: down(activation(gate) * up), or down(activation(up)) where there is no gate.
public struct FeedForwardDescription: Sendable, Hashable {
    public let gate: LinearDescription?
    public let up: LinearDescription
    public let down: LinearDescription
    public let activation: Activation
    /// Hidden features: rows of gate and up, columns of down.
    public let width: Int

    public init(
        gate: LinearDescription? = nil, up: LinearDescription, down: LinearDescription, activation: Activation, width: Int
    ) {
        self.gate = gate
        self.up = up
        self.down = down
        self.activation = activation
        self.width = width
    }
}

/// One block of a model. A part that is gone is nil; the bias that it left to the stream, and in models that normalise last
/// its norm, remain.
public struct BlockDescription: Sendable, Hashable {
    /// "model.layers.3".
    public let name: String
    /// Between the stream and the attention, or after the sum (`ResidualStream.normalizesFirst`); nil where there is none.
    public let attentionNorm: NormDescription?
    public let attention: AttentionDescription?
    public let feedForwardNorm: NormDescription?
    public let feedForward: FeedForwardDescription?
    /// Vectors added to the stream in place of a part that is gone.
    public let leftBiases: [String]

    public init(
        name: String, attentionNorm: NormDescription?, attention: AttentionDescription?,
        feedForwardNorm: NormDescription?, feedForward: FeedForwardDescription?, leftBiases: [String] = []
    ) {
        self.name = name
        self.attentionNorm = attentionNorm
        self.attention = attention
        self.feedForwardNorm = feedForwardNorm
        self.feedForward = feedForward
        self.leftBiases = leftBiases
    }
}
