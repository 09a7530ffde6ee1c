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
        let stream = configuration.stream
        let style = BlockStyle(
            stream: stream, normalizesFirst: false, norm: .layer, epsilon: epsilon, activation: configuration.activation)
        var tables = try tensors.tables(
            words: (words, configuration.vocabularySize, stream.table),
            positions: (positions, configuration.positionRows, stream.first))
        // Token type 0 is the only one used here; of a cut stream it is all that is left.
        let typeName = "\(embeddings).token_type_embeddings.0"
        let type =
            stream.isCut
            ? try tensors.vector(typeName, count: stream.first)
            : try tensors.matrix("\(embeddings).token_type_embeddings", rows: configuration.tokenTypes, columns: width)
                .gather(rows: [0]).elements
        let norm = try tensors.norm(
            "\(embeddings).LayerNorm", .layer, count: stream.first, of: stream, epsilon: epsilon)
        let blocks = try configuration.blocks.enumerated().map { index, sizes in
            try tensors.block(
                BlockPlan(
                    names: Self.bertNames("\(prefix)encoder.layer.\(index)"), sizes: sizes, biases: BlockPlan.allBiases), style, at: index)
        }
        var input = Network.Input(
            words: words, positions: positions, positionRule: configuration.positionRule, constantName: typeName,
            constant: type, normName: "\(embeddings).LayerNorm", norm: norm)
        var output = Network.Output()
        try tensors.readProjections(stream, &input, &output, &tables)
        self.init(
            network: Network(
                architecture: configuration.architecture, isCausal: false, normalizesFirst: false, width: width,
                maximumPositions: configuration.maximumPositions,
                sizeKeys: SizeKeys(blocks: "num_hidden_layers", heads: "num_attention_heads", feedForward: "intermediate_size"),
                rotary: nil, input: input, output: output, tables: tables, blocks: blocks),
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
