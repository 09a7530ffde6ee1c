import ModelFiles
import StructuredMatrices
import Tensors

extension Architecture {
    /// Llama (Touvron et al. 2023): root-mean-square norms first, rotary positions, grouped-query attention, SwiGLU, the
    /// output head tied to the table of words or its own.
    static let llama = Architecture(name: "llama") { file, _, tensors in
        try CausalTransformer(configuration: LlamaConfiguration(file), tensors: tensors)
    }
}

extension CausalTransformer {
    /// Builds a Llama or one of its variants; all names but "lm_head" may lack the prefix "model.".
    /// - Throws: `StructuredMatrixError` or `TransformersError.shapeMismatch`, naming file and tensor.
    public init(configuration: LlamaConfiguration, tensors: ModelTensors) throws {
        let prefix = tensors.prefix(among: ["", "model."], before: "embed_tokens.")
        let (vocabulary, width) = (configuration.vocabularySize, configuration.hiddenSize)
        let stream = configuration.stream
        let style = BlockStyle(
            stream: stream, normalizesFirst: true, norm: .rootMeanSquare, epsilon: configuration.epsilon,
            activation: configuration.activation)
        let words = "\(prefix)embed_tokens"
        var tables: [Network.Place: Linear] = [
            .words: Linear(weight: try tensors.matrix(words, rows: vocabulary, columns: stream.table))
        ]
        let blocks = try zip(configuration.blocks, configuration.windows).enumerated().map { index, block in
            try tensors.block(
                BlockPlan(
                    names: Self.llamaNames("\(prefix)layers.\(index)", normalizesHeads: configuration.normalizesHeads),
                    sizes: block.0, window: block.1, biases: configuration.biases), style, at: index)
        }
        let norm = try tensors.norm(
            "\(prefix)norm", .rootMeanSquare, count: stream.last, of: stream, epsilon: configuration.epsilon)
        var output = Network.Output(normName: "\(prefix)norm", norm: norm, isTied: configuration.tiedEmbeddings)
        try tensors.readHead(rows: vocabulary, columns: stream.head, &output, &tables)
        var input = Network.Input(words: words)
        try tensors.readProjections(stream, &input, &output, &tables)
        self.init(
            network: Network(
                architecture: configuration.architecture, isCausal: true, normalizesFirst: true, width: width,
                maximumPositions: configuration.maximumPositions, sizeKeys: configuration.sizeKeys,
                rotary: configuration.rotary, input: input, output: output, tables: tables, blocks: blocks))
    }

    private static func llamaNames(_ layer: String, normalizesHeads: Bool) -> BlockNames {
        BlockNames(
            layer,
            attention: (
                "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "input_layernorm"
            ),
            headNorms: normalizesHeads ? ("self_attn.q_norm", "self_attn.k_norm") : nil,
            feedForward: ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "post_attention_layernorm"),
            inputs: ("self_attn", "mlp"))
    }
}
