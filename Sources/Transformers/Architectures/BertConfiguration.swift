import ModelFiles
import Tensors

/// What `config.json` says about a BERT or RoBERTa encoder.
public struct BertConfiguration: Sendable, Equatable {
    let architecture: String
    public let vocabularySize: Int
    public let hiddenSize: Int
    /// Rows of the table of positions, and how many tokens a sequence may have.
    let positionRows: Int
    public let maximumPositions: Int
    let positionRule: Network.PositionRule
    public let tokenTypes: Int
    public let epsilon: Float
    public let activation: Activation
    public let blocks: [BlockSizes]

    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`; `TransformersError.unsupportedSetting` for variants that compute
    ///   something else.
    public init(_ file: ModelConfiguration) throws {
        architecture = try file.modelType
        vocabularySize = try file.size("vocab_size")
        hiddenSize = try file.size("hidden_size")
        positionRows = try file.size("max_position_embeddings")
        tokenTypes = try file.size("type_vocab_size", default: 2)
        epsilon = Float(try file.positive("layer_norm_eps", default: 1e-12))
        activation = try .read(file, "hidden_act", default: "gelu")
        try file.expect("position_embedding_type", oneOf: ["absolute"])
        blocks = try file.blockSizes(
            count: file.blockCount("num_hidden_layers"),
            ordinary: file.ordinarySizes(
                width: "hidden_size", heads: "num_attention_heads", feedForward: "intermediate_size"))
        if architecture == "roberta" {
            let padding = try file.integer("pad_token_id", default: 1)
            guard padding < positionRows - 1 else {
                throw TransformersError.unsupportedSetting(
                    file: file.file, key: "pad_token_id", got: "\(padding)",
                    supported: "numbers below max_position_embeddings - 1, \(positionRows - 1)")
            }
            positionRule = .afterPadding(padding)
            maximumPositions = positionRows - padding - 1
        } else {
            positionRule = .from(0)
            maximumPositions = positionRows
        }
    }
}
