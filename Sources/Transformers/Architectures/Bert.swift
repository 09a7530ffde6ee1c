import ModelFiles
import StructuredMatrices
import Tensors

extension Architecture {
    /// BERT (Devlin et al. 2019) as a sentence encoder: norms after the sums, erf GELU, learned positions.
    static let bert = Architecture(name: "bert") { file, layout, tensors in
        try TransformerEncoder(
            configuration: BertConfiguration(file), layout: layout(), tensors: tensors)
    }
}

extension TransformerEncoder {
    /// Builds a BERT or RoBERTa; names may carry the prefix "bert." or "roberta.".
    /// - Throws: `StructuredMatrixError` or `TransformersError.shapeMismatch`, naming file and tensor.
    public init(configuration: BertConfiguration, layout: SentenceEmbeddingLayout, tensors: ModelTensors) throws {
        let (width, epsilon) = (configuration.hiddenSize, configuration.epsilon)
        let prefix = tensors.prefix(among: ["bert.", "roberta.", ""], before: "embeddings.")
        let embeddings = "\(prefix)embeddings"
        let (words, positions) = ("\(embeddings).word_embeddings", "\(embeddings).position_embeddings")
        let style = BlockStyle(
            width: width, normalizesFirst: false, norm: .layer, epsilon: epsilon, activation: configuration.activation)
        let tables: [Network.Place: Linear] = [
            .words: Linear(weight: try tensors.matrix(words, rows: configuration.vocabularySize, columns: width)),
            .positions: Linear(
                weight: try tensors.matrix(positions, rows: configuration.positionRows, columns: width)),
        ]
        // Token type 0 is the only one used here.
        let type = try tensors.matrix(
            "\(embeddings).token_type_embeddings", rows: configuration.tokenTypes, columns: width
        ).gather(rows: [0]).elements
        let norm = try tensors.norm("\(embeddings).LayerNorm", .layer, count: width, epsilon: epsilon)
        let blocks = try configuration.blocks.enumerated().map { index, sizes in
            try tensors.block(
                BlockPlan(
                    names: Self.bertNames("\(prefix)encoder.layer.\(index)"), sizes: sizes,
                    biases: BlockPlan.attentionBiases.union(BlockPlan.feedForwardBiases)), style)
        }
        self.init(
            network: Network(
                architecture: configuration.architecture, isCausal: false, normalizesFirst: false, width: width,
                maximumPositions: configuration.maximumPositions, sizeKeys: SizeKeys(heads: "num_attention_heads", feedForward: "intermediate_size"),
                rotary: nil,
                input: Network.Input(
                    words: words, positions: positions, positionRule: configuration.positionRule,
                    constantName: "\(embeddings).token_type_embeddings.0", constant: type,
                    normName: "\(embeddings).LayerNorm", norm: norm),
                output: Network.Output(), tables: tables, blocks: blocks),
            layout: layout)
    }

    private static func bertNames(_ layer: String) -> BlockNames {
        BlockNames(
            layer,
            attention: (
                "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
                "attention.output.LayerNorm"
            ),
            feedForward: (nil, "intermediate.dense", "output.dense", "output.LayerNorm"),
            inputs: ("attention.self", "intermediate.dense"))
    }
}
