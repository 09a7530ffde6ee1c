import ModelFiles
import StructuredMatrices
import Tensors

extension Architecture {
    /// OPT (Zhang et al. 2022): learned positions that begin at row 2, ReLU, layer norms first (last in the 350M model), a
    /// table of words that may be narrower than the stream.
    static let opt = Architecture(name: "opt") { file, _, tensors in
        try CausalTransformer(configuration: OPTConfiguration(file), tensors: tensors)
    }
}

/// What `config.json` says about an OPT.
struct OPTConfiguration {
    /// Rows of the table of positions before that of the first token.
    static let positionOffset = 2

    let vocabularySize: Int
    let width: Int
    let tableWidth: Int
    let maximumPositions: Int
    let normalizesFirst: Bool
    let hasFinalNorm: Bool
    let hasBiases: Bool
    let activation: Activation
    let tiedEmbeddings: Bool
    let blocks: [BlockSizes]
    let stream: StreamPlan

    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`; `TransformersError.unsupportedSetting`.
    init(_ file: ModelConfiguration) throws {
        vocabularySize = try file.size("vocab_size")
        width = try file.size("hidden_size")
        tableWidth = try file.size("word_embed_proj_dim", default: width)
        maximumPositions = try file.size("max_position_embeddings")
        normalizesFirst = try file.bool("do_layer_norm_before", default: true)
        hasFinalNorm = try normalizesFirst && !file.bool("_remove_final_layer_norm", default: false)
        hasBiases = try file.bool("enable_bias", default: true)
        activation = try .read(file, "activation_function", default: "relu")
        tiedEmbeddings = try file.bool("tie_word_embeddings", default: true)
        try file.expect("layer_norm_elementwise_affine", is: true)
        blocks = try file.blockSizes(
            count: file.blockCount("num_hidden_layers"),
            ordinary: file.ordinarySizes(width: "hidden_size", heads: "num_attention_heads", feedForward: "ffn_dim"))
        stream = try file.streamPlan(width: width, blocks: blocks.count, hasInputProjection: tableWidth != width,
            hasOutputProjection: tableWidth != width)
    }
}

extension CausalTransformer {
    /// Names may carry the prefix "model.decoder." or "decoder.".
    init(configuration: OPTConfiguration, tensors: ModelTensors) throws {
        let prefix = tensors.prefix(among: ["model.decoder.", "decoder.", ""], before: "embed_tokens.")
        let (width, narrow, vocabulary) = (
            configuration.width, configuration.tableWidth, configuration.vocabularySize
        )
        let stream = configuration.stream
        let style = BlockStyle(
            stream: stream, normalizesFirst: configuration.normalizesFirst, norm: .layer, epsilon: 1e-5,
            activation: configuration.activation)
        let rows = configuration.maximumPositions + OPTConfiguration.positionOffset
        // Behind projections of its own the table is as wide as it was.
        let (table, last) = narrow == width ? (stream.table, stream.head) : (narrow, narrow)
        var tables = try tensors.tables(
            words: ("\(prefix)embed_tokens", vocabulary, table), positions: ("\(prefix)embed_positions", rows, stream.first))
        var input = Network.Input(
            words: "\(prefix)embed_tokens", positions: "\(prefix)embed_positions",
            positionRule: .from(OPTConfiguration.positionOffset))
        var output = Network.Output(isTied: configuration.tiedEmbeddings)
        if narrow != width {
            (input.projection, output.projection) = ("\(prefix)project_in", "\(prefix)project_out")
            tables[.inputProjection] = try tensors.linear(
                "\(prefix)project_in", rows: stream.first, columns: narrow, bias: false)
            tables[.outputProjection] = try tensors.linear(
                "\(prefix)project_out", rows: narrow, columns: stream.last, bias: false)
        }
        if configuration.hasFinalNorm {
            output.normName = "\(prefix)final_layer_norm"
            output.norm = try tensors.norm(
                "\(prefix)final_layer_norm", .layer, count: stream.last, of: stream, epsilon: style.epsilon)
        }
        try tensors.readHead(rows: vocabulary, columns: last, &output, &tables)
        try tensors.readProjections(stream, &input, &output, &tables)
        let biases = configuration.hasBiases ? BlockPlan.allBiases : []
        let blocks = try configuration.blocks.enumerated().map { index, sizes in
            try tensors.block(
                BlockPlan(names: Self.optNames("\(prefix)layers.\(index)"), sizes: sizes, biases: biases), style,
                at: index)
        }
        self.init(
            network: Network(
                architecture: "opt", isCausal: true, normalizesFirst: style.normalizesFirst, width: width,
                maximumPositions: configuration.maximumPositions,
                sizeKeys: SizeKeys(blocks: "num_hidden_layers", heads: "num_attention_heads", feedForward: "ffn_dim"),
                rotary: nil, input: input, output: output,
                tables: tables, blocks: blocks))
    }

    private static func optNames(_ layer: String) -> BlockNames {
        BlockNames(
            layer,
            attention: (
                "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
                "self_attn_layer_norm"
            ),
            feedForward: (nil, "fc1", "fc2", "final_layer_norm"), inputs: ("self_attn", "fc1"))
    }
}
