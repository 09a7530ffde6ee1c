import ModelFiles
import StructuredMatrices
import Tensors

extension BertEncoder {
    /// Builds the encoder; names may carry the prefix "bert.".
    /// - Throws: `StructuredMatrixError` or `TransformersError.shapeMismatch`, naming file and tensor.
    public init(configuration: BertConfiguration, layout: SentenceEmbeddingLayout, tensors: ModelTensors)
        throws
    {
        self.configuration = configuration
        self.layout = layout
        let prefix = tensors.prefix(among: ["bert.", ""], before: "embeddings.")
        self.prefix = prefix
        let (width, wide, epsilon) = (
            configuration.hiddenSize, configuration.intermediateSize, configuration.epsilon
        )

        let embeddings = "\(prefix)embeddings"
        wordEmbeddings = try tensors.matrix(
            "\(embeddings).word_embeddings", rows: configuration.vocabularySize, columns: width)
        positionEmbeddings = try tensors.matrix(
            "\(embeddings).position_embeddings", rows: configuration.maximumPositions, columns: width)
        typeEmbedding = try tensors.matrix(
            "\(embeddings).token_type_embeddings", rows: configuration.tokenTypes, columns: width
        ).gather(rows: [0]).elements
        embeddingNorm = try tensors.layerNorm("\(embeddings).LayerNorm", count: width, epsilon: epsilon)

        layers = try (0..<configuration.layers).map { index in
            let base = Self.layerName(prefix, index)
            func square(_ name: String) throws -> Linear {
                try tensors.linear("\(base).\(name)", rows: width, columns: width, bias: true)
            }
            return Layer(
                query: try square("attention.self.query"), key: try square("attention.self.key"),
                value: try square("attention.self.value"),
                attentionOutput: try square("attention.output.dense"),
                attentionNorm: try tensors.layerNorm(
                    "\(base).attention.output.LayerNorm", count: width, epsilon: epsilon),
                intermediate: try tensors.linear(
                    "\(base).intermediate.dense", rows: wide, columns: width, bias: true),
                output: try tensors.linear("\(base).output.dense", rows: width, columns: wide, bias: true),
                outputNorm: try tensors.layerNorm("\(base).output.LayerNorm", count: width, epsilon: epsilon))
        }
    }
}
