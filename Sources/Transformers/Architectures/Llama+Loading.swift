import StructuredMatrices
import Tensors

extension LlamaModel {
    /// Builds the model; all names but "lm_head" may lack the prefix "model.".
    /// - Throws: `StructuredMatrixError` or `TransformersError.shapeMismatch`, naming file and tensor.
    public init(configuration: LlamaConfiguration, tensors: ModelTensors) throws {
        self.configuration = configuration
        let prefix = tensors.prefix(among: ["", "model."], before: "embed_tokens.")
        self.prefix = prefix
        let (width, wide, epsilon) = (
            configuration.hiddenSize, configuration.intermediateSize, configuration.epsilon
        )
        let queryWidth = configuration.heads * configuration.headDimension
        let keyWidth = configuration.keyValueHeads * configuration.headDimension
        let (attentionBias, feedForwardBias) = (configuration.attentionBias, configuration.feedForwardBias)

        embedding = try tensors.matrix(
            "\(prefix)embed_tokens", rows: configuration.vocabularySize, columns: width)
        tiedHead = Linear(weight: embedding)
        layers = try (0..<configuration.layers).map { index in
            let base = Self.layerName(prefix, index)
            func attention(_ name: String, rows: Int, columns: Int) throws -> Linear {
                try tensors.linear(
                    "\(base).self_attn.\(name)", rows: rows, columns: columns, bias: attentionBias)
            }
            func feedForward(_ name: String, rows: Int, columns: Int) throws -> Linear {
                try tensors.linear("\(base).mlp.\(name)", rows: rows, columns: columns, bias: feedForwardBias)
            }
            return Layer(
                attentionNorm: try tensors.rmsNorm("\(base).input_layernorm", count: width, epsilon: epsilon),
                query: try attention("q_proj", rows: queryWidth, columns: width),
                key: try attention("k_proj", rows: keyWidth, columns: width),
                value: try attention("v_proj", rows: keyWidth, columns: width),
                attentionOutput: try attention("o_proj", rows: width, columns: queryWidth),
                feedForwardNorm: try tensors.rmsNorm(
                    "\(base).post_attention_layernorm", count: width, epsilon: epsilon),
                gate: try feedForward("gate_proj", rows: wide, columns: width),
                up: try feedForward("up_proj", rows: wide, columns: width),
                down: try feedForward("down_proj", rows: width, columns: wide))
        }
        finalNorm = try tensors.rmsNorm("\(prefix)norm", count: width, epsilon: epsilon)
        head =
            configuration.tiedEmbeddings
            ? nil
            : try tensors.linear("lm_head", rows: configuration.vocabularySize, columns: width, bias: false)
    }
}
