import ModelFiles
import StructuredMatrices
import Tensors

extension Architecture {
    /// GPT-2 (Radford et al. 2019): layer norms first, learned positions, tanh GELU, the table of words as head. Weights are
    /// stored inputs x outputs, queries, keys and values as one tensor; here they are three matrices, outputs x inputs.
    static let gpt2 = Architecture(name: "gpt2") { file, _, tensors in
        try CausalTransformer(configuration: GPT2Configuration(file), tensors: tensors)
    }
}

/// What `config.json` says about a GPT-2.
struct GPT2Configuration {
    let vocabularySize: Int
    let width: Int
    let maximumPositions: Int
    let epsilon: Float
    let activation: Activation
    let tiedEmbeddings: Bool
    let blocks: [BlockSizes]
    let stream: StreamPlan

    /// - Throws: `ModelFileError.missingKey`, `.wrongValue`; `TransformersError.unsupportedSetting`.
    init(_ file: ModelConfiguration) throws {
        vocabularySize = try file.size("vocab_size")
        width = try file.size("n_embd")
        maximumPositions = try file.size("n_positions")
        epsilon = Float(try file.positive("layer_norm_epsilon", default: 1e-5))
        activation = try .read(file, "activation_function", default: "gelu_new")
        tiedEmbeddings = try file.bool("tie_word_embeddings", default: true)
        try file.expect("scale_attn_weights", is: true)
        try file.expect("scale_attn_by_inverse_layer_idx", is: false)
        try file.expect("add_cross_attention", is: false)
        blocks = try file.blockSizes(
            count: file.blockCount("n_layer"),
            ordinary: file.ordinarySizes(
                width: "n_embd", heads: "n_head", feedForward: "n_inner", defaultFeedForward: 4 * width))
        stream = try file.streamPlan(width: width, blocks: blocks.count)
    }
}

extension CausalTransformer {
    /// Names may carry the prefix "transformer.".
    init(configuration: GPT2Configuration, tensors: ModelTensors) throws {
        let prefix = tensors.prefix(among: ["transformer.", ""], before: "wte.")
        let (vocabulary, width, epsilon) = (configuration.vocabularySize, configuration.width, configuration.epsilon)
        let stream = configuration.stream
        let style = BlockStyle(
            stream: stream, normalizesFirst: true, norm: .layer, epsilon: epsilon, activation: configuration.activation)
        var input = Network.Input(words: "\(prefix)wte", positions: "\(prefix)wpe")
        var tables = try tensors.tables(
            words: ("\(prefix)wte", vocabulary, stream.table),
            positions: ("\(prefix)wpe", configuration.maximumPositions, stream.first))
        let blocks = try configuration.blocks.enumerated().map { index, sizes in
            let layer = "\(prefix)h.\(index)"
            return try tensors.block(
                BlockPlan(
                    names: Self.gpt2Names(layer), sizes: sizes,
                    stored: Self.storedWeights(layer, sizes, stream.block(index)),
                    biases: BlockPlan.allBiases), style, at: index)
        }
        let norm = try tensors.norm("\(prefix)ln_f", .layer, count: stream.last, of: stream, epsilon: epsilon)
        var output = Network.Output(normName: "\(prefix)ln_f", norm: norm, isTied: configuration.tiedEmbeddings)
        try tensors.readHead(rows: vocabulary, columns: stream.head, &output, &tables)
        try tensors.readProjections(stream, &input, &output, &tables)
        self.init(
            network: Network(
                architecture: "gpt2", isCausal: true, normalizesFirst: true, width: width,
                maximumPositions: configuration.maximumPositions,
                sizeKeys: SizeKeys(blocks: "n_layer", heads: "n_head", feedForward: "n_inner"),
                rotary: nil, input: input, output: output, tables: tables, blocks: blocks))
    }

    private static func gpt2Names(_ layer: String) -> BlockNames {
        BlockNames(
            layer,
            attention: ("attn.c_attn.query", "attn.c_attn.key", "attn.c_attn.value", "attn.c_proj", "ln_1"),
            feedForward: (nil, "mlp.c_fc", "mlp.c_proj", "ln_2"), inputs: ("attn.c_attn", "mlp.c_fc"))
    }

    private static func storedWeights(
        _ layer: String, _ sizes: BlockSizes, _ stream: BlockStream
    ) -> [BlockMatrix: StoredWeight] {
        func transposed(_ matrix: BlockMatrix, _ name: String) -> StoredWeight {
            let shape = matrix.shape(sizes, stream)
            return StoredWeight(
                tensor: "\(layer).\(name).weight", shape: [shape.columns, shape.rows], isTransposed: true)
        }
        var stored: [BlockMatrix: StoredWeight] = [
            .attentionOutput: transposed(.attentionOutput, "attn.c_proj"), .up: transposed(.up, "mlp.c_fc"),
            .down: transposed(.down, "mlp.c_proj"),
        ]
        let fused: [BlockMatrix] = [.query, .key, .value]
        let outputs = fused.map { $0.shape(sizes, stream).rows }
        var first = 0
        for (matrix, count) in zip(fused, outputs) {
            stored[matrix] = StoredWeight(
                tensor: "\(layer).attn.c_attn.weight", shape: [stream.attention, outputs.reduce(0, +)], isTransposed: true,
                outputs: first..<first + count)
            first += count
        }
        return stored
    }
}
