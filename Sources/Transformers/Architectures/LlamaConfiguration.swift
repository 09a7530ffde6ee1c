import ModelFiles
import Tensors

/// What `config.json` says about a Llama model, or one of its variants.
public struct LlamaConfiguration: Sendable, Equatable {
    let architecture: String
    public let vocabularySize: Int
    public let hiddenSize: Int
    public let heads: Int
    public let keyValueHeads: Int
    public let headDimension: Int
    public let intermediateSize: Int
    public let maximumPositions: Int
    public let epsilon: Float
    /// Whether the embedding is the output head too.
    public let tiedEmbeddings: Bool
    /// Matrices whose outputs have a bias.
    var biases: Set<BlockMatrix> = []
    public let activation: Activation
    public let rotary: RotaryEmbedding
    public let blocks: [BlockSizes]
    let stream: StreamPlan
    /// For each block, how many tokens a token attends to, itself counted; nil for all.
    var windows: [Int?]
    var sizeKeys = SizeKeys(
        blocks: "num_hidden_layers", blockLists: ["layer_types"], heads: "num_attention_heads",
        keyValueHeads: "num_key_value_heads", headWidth: "head_dim",
        feedForward: "intermediate_size", attentionBias: "attention_bias", feedForwardBias: "mlp_bias",
        hasLayerNorms: false)
    /// Whether the features of each query and key head are normalised.
    var normalizesHeads = false

    /// - Parameter defaultHeadWidth: of a head without `head_dim`; nil for an even share of the hidden size.
    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`; `TransformersError.unsupportedSetting`.
    public init(_ file: ModelConfiguration, defaultHeadWidth: Int? = nil) throws {
        architecture = try file.modelType
        vocabularySize = try file.size("vocab_size")
        hiddenSize = try file.size("hidden_size")
        let layers = try file.blockCount("num_hidden_layers")
        heads = try file.size("num_attention_heads")
        keyValueHeads = try file.size("num_key_value_heads", default: heads)
        intermediateSize = try file.size("intermediate_size")
        maximumPositions = try file.size("max_position_embeddings")
        epsilon = Float(try file.positive("rms_norm_eps", default: 1e-6))
        tiedEmbeddings = try file.bool("tie_word_embeddings", default: false)
        activation = try .read(file, "hidden_act", default: "silu")
        windows = Array(repeating: nil, count: layers)
        if try file.bool("attention_bias", default: false) { biases.formUnion(BlockPlan.attentionBiases) }
        if try file.bool("mlp_bias", default: false) { biases.formUnion(BlockPlan.feedForwardBiases) }
        guard heads % keyValueHeads == 0 else {
            throw TransformersError.unsupportedSetting(
                file: file.file, key: "num_key_value_heads", got: "\(keyValueHeads)",
                supported: "divisors of num_attention_heads, \(heads)")
        }
        if file.contains("head_dim") || defaultHeadWidth != nil {
            headDimension = try file.size("head_dim", default: defaultHeadWidth)
        } else {
            if try file.blockSizes() == nil {
                try file.expectDivisible("hidden_size", by: "num_attention_heads")
            }
            headDimension = hiddenSize / heads
        }
        guard headDimension % 2 == 0, headDimension <= 1 << 16 else {
            throw TransformersError.unsupportedSetting(
                file: file.file, key: "head_dim", got: "\(headDimension)",
                supported: "even numbers up to \(1 << 16)")
        }
        rotary = try Self.rotary(file, headDimension: headDimension)
        blocks = try file.blockSizes(
            count: layers, rotaryPairs: headDimension / 2,
            ordinary: BlockSizes(
                heads: heads, keyValueHeads: keyValueHeads, queryKeyWidth: headDimension, valueWidth: headDimension,
                feedForwardWidth: intermediateSize))
        stream = try file.streamPlan(width: hiddenSize, blocks: layers)
    }

    /// transformers 5 writes one section `rope_parameters`; before, `rope_theta` stood alone and `rope_scaling` beside it.
    private static func rotary(_ file: ModelConfiguration, headDimension: Int) throws -> RotaryEmbedding {
        let parameters = try file.section("rope_parameters")
        let scaling = try parameters ?? file.section("rope_scaling")
        let topLevel = try file.positive("rope_theta", default: 10000)
        let theta = try parameters?.positive("rope_theta", default: topLevel) ?? topLevel
        return RotaryEmbedding(
            headDimension: headDimension, theta: theta, scaling: try scaling.map(scalingRule) ?? .none)
    }

    private static func scalingRule(_ section: ModelConfiguration) throws -> RotaryEmbedding.Scaling {
        let key = section.contains("rope_type") ? "rope_type" : "type"
        try section.expect(key, oneOf: ["default", "linear", "llama3"])
        try section.expect("partial_rotary_factor", number: 1)
        switch try section.string(key, default: "default") {
        case "linear":
            return .linear(factor: try section.positive("factor"))
        case "llama3":
            let (low, high) = (
                try section.positive("low_freq_factor"), try section.positive("high_freq_factor")
            )
            guard low < high else {
                throw TransformersError.unsupportedSetting(
                    file: section.file, key: "low_freq_factor", got: "\(low)",
                    supported: "below high_freq_factor, \(high)")
            }
            return .llama3(
                factor: try section.positive("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
                originalPositions: try section.positive("original_max_position_embeddings"))
        default:
            return .none
        }
    }
}
