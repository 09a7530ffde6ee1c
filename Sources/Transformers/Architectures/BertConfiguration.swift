import ModelFiles

/// What `config.json` says about a BERT encoder.
public struct BertConfiguration: Sendable, Equatable {
    public let vocabularySize: Int
    public let hiddenSize: Int
    public let layers: Int
    public let heads: Int
    public let intermediateSize: Int
    public let maximumPositions: Int
    public let tokenTypes: Int
    public let epsilon: Float

    public var headDimension: Int { hiddenSize / heads }

    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`; `TransformersError.unsupportedSetting` for variants of BERT
    ///   that compute something else.
    public init(_ file: ModelConfiguration) throws {
        vocabularySize = try file.size("vocab_size")
        hiddenSize = try file.size("hidden_size")
        // Far more than any model has; room for the layers is taken at once.
        layers = try file.integer("num_hidden_layers", in: 1...4096)
        heads = try file.size("num_attention_heads")
        intermediateSize = try file.size("intermediate_size")
        maximumPositions = try file.size("max_position_embeddings")
        tokenTypes = try file.size("type_vocab_size", default: 2)
        epsilon = Float(try file.positive("layer_norm_eps", default: 1e-12))
        try file.expect("hidden_act", oneOf: ["gelu"])
        try file.expect("position_embedding_type", oneOf: ["absolute"])
        try file.expectDivisible("hidden_size", by: "num_attention_heads")
    }
}
