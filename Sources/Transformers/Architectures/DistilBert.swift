import ModelFiles
import StructuredMatrices
import Tensors

extension Architecture {
    /// DistilBERT (Sanh et al. 2019): BERT without token types.
    static let distilBert = Architecture(name: "distilbert") { file, layout, tensors in
        try TransformerEncoder(distilBert: file, layout: layout(), tensors: tensors)
    }
}

extension TransformerEncoder {
    /// Names may carry the prefix "distilbert.".
    /// - Throws: `ModelFileError`, `TransformersError`, `StructuredMatrixError`.
    init(distilBert file: ModelConfiguration, layout: SentenceEmbeddingLayout, tensors: ModelTensors) throws {
        let (width, positions) = (try file.size("dim"), try file.size("max_position_embeddings"))
        let sizes = try file.blockSizes(
            count: file.blockCount("n_layers"),
            ordinary: file.ordinarySizes(width: "dim", heads: "n_heads", feedForward: "hidden_dim"))
        let stream = try file.streamPlan(width: width, blocks: sizes.count)
        let style = BlockStyle(
            stream: stream, normalizesFirst: false, norm: .layer, epsilon: 1e-12,
            activation: try .read(file, "activation", default: "gelu"))
        let prefix = tensors.prefix(among: ["distilbert.", ""], before: "embeddings.")
        let embeddings = "\(prefix)embeddings"
        var tables = try tensors.tables(
            words: ("\(embeddings).word_embeddings", file.size("vocab_size"), stream.table),
            positions: ("\(embeddings).position_embeddings", positions, stream.first))
        let norm = try tensors.norm(
            "\(embeddings).LayerNorm", .layer, count: stream.first, of: stream, epsilon: style.epsilon)
        let blocks = try sizes.enumerated().map { index, sizes in
            try tensors.block(
                BlockPlan(
                    names: Self.distilBertNames("\(prefix)transformer.layer.\(index)"), sizes: sizes, biases: BlockPlan.allBiases), style, at: index)
        }
        var input = Network.Input(
            words: "\(embeddings).word_embeddings", positions: "\(embeddings).position_embeddings",
            normName: "\(embeddings).LayerNorm", norm: norm)
        var output = Network.Output()
        try tensors.readProjections(stream, &input, &output, &tables)
        self.init(
            network: Network(
                architecture: "distilbert", isCausal: false, normalizesFirst: false, width: width,
                maximumPositions: positions,
                sizeKeys: SizeKeys(blocks: "n_layers", heads: "n_heads", feedForward: "hidden_dim"),
                rotary: nil, input: input, output: output, tables: tables, blocks: blocks),
            layout: layout)
    }

    private static func distilBertNames(_ layer: String) -> BlockNames {
        BlockNames(
            layer,
            attention: (
                "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm"
            ),
            feedForward: (nil, "ffn.lin1", "ffn.lin2", "output_layer_norm"), inputs: ("attention", "ffn.lin1"))
    }
}
