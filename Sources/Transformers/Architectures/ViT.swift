import ModelFiles
import StructuredMatrices
import Tensors

extension Architecture {
    /// ViT (Dosovitskiy et al. 2021): layer norms first, a learned vector for every place of a patch.
    static let vit = Architecture(name: "vit") { file, _, tensors in
        try VisionEncoder(file, tensors: tensors)
    }
}

extension VisionEncoder {
    /// Names may carry the prefix "vit."; blocks have the names of transformers 5 or those of before.
    /// - Throws: `ModelFileError`, `TransformersError`, `StructuredMatrixError`.
    init(_ file: ModelConfiguration, tensors: ModelTensors) throws {
        let width = try file.size("hidden_size")
        let geometry = try Geometry(file)
        let sizes = try file.blockSizes(
            count: file.blockCount("num_hidden_layers"),
            ordinary: file.ordinarySizes(
                width: "hidden_size", heads: "num_attention_heads", feedForward: "intermediate_size"))
        let stream = try file.streamPlan(width: width, blocks: sizes.count, hasInputProjection: true)
        let style = BlockStyle(
            stream: stream, normalizesFirst: true, norm: .layer,
            epsilon: Float(try file.positive("layer_norm_eps", default: 1e-12)),
            activation: try .read(file, "hidden_act", default: "gelu"))
        let hasBias = try file.bool("qkv_bias", default: true)

        let prefix = tensors.prefix(among: ["vit.", ""], before: "embeddings.")
        let embeddings = "\(prefix)embeddings"
        let (projection, positions) = ("\(embeddings).patch_embeddings.projection", "\(embeddings).position_embeddings")
        var input = Network.Input(words: "\(embeddings).patches", projection: projection, positions: positions)
        input.hasTable = false
        input.storedProjection = StoredWeight(
            tensor: "\(projection).weight",
            shape: [stream.first, geometry.channels, geometry.patchHeight, geometry.patchWidth])
        input.storedPositions = StoredWeight(tensor: positions, shape: [1, geometry.patches + 1, stream.first])
        input.firstName = "\(embeddings).cls_token"
        input.first = try tensors.factor(
            "\(embeddings).cls_token", shape: stream.isCut ? [stream.first] : [1, 1, width]
        ).values
        var tables: [Network.Place: Linear] = [
            .words: Linear(weight: Dense(Matrix(rows: 1, columns: geometry.patchSize))),
            .inputProjection: try tensors.linear(
                projection, rows: stream.first, columns: geometry.patchSize, bias: true, stored: input.storedProjection),
            .positions: Linear(
                weight: try tensors.matrix(
                    positions, rows: geometry.patches + 1, columns: stream.first, stored: input.storedPositions)),
        ]
        let isOld = tensors.names.contains { $0.hasPrefix("\(prefix)encoder.layer.") }
        let biases = BlockPlan.feedForwardBiases.union(hasBias ? BlockPlan.attentionBiases : [.attentionOutput])
        let blocks = try sizes.enumerated().map { index, sizes in
            let names = isOld
                ? Self.oldNames("\(prefix)encoder.layer.\(index)") : Self.names("\(prefix)layers.\(index)")
            return try tensors.block(BlockPlan(names: names, sizes: sizes, biases: biases), style, at: index)
        }
        let norm = try tensors.norm(
            "\(prefix)layernorm", .layer, count: stream.last, of: stream, epsilon: style.epsilon)
        var output = Network.Output(normName: "\(prefix)layernorm", norm: norm)
        try tensors.readProjections(stream, &input, &output, &tables)
        self.init(
            network: Network(
                architecture: "vit", isCausal: false, normalizesFirst: true, width: width,
                maximumPositions: geometry.patches + 1,
                sizeKeys: SizeKeys(blocks: "num_hidden_layers", heads: "num_attention_heads", feedForward: "intermediate_size"),
                rotary: nil, input: input,
                output: output, tables: tables, blocks: blocks),
            geometry: geometry)
    }

    private static func names(_ layer: String) -> BlockNames {
        BlockNames(
            layer,
            attention: (
                "attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj", "layernorm_before"
            ),
            feedForward: (nil, "mlp.fc1", "mlp.fc2", "layernorm_after"), inputs: ("attention", "mlp.fc1"))
    }

    private static func oldNames(_ layer: String) -> BlockNames {
        BlockNames(
            layer,
            attention: (
                "attention.attention.query", "attention.attention.key", "attention.attention.value",
                "attention.output.dense", "layernorm_before"
            ),
            feedForward: (nil, "intermediate.dense", "output.dense", "layernorm_after"),
            inputs: ("attention.attention", "intermediate.dense"))
    }
}

extension VisionEncoder.Geometry {
    /// - Throws: `ModelFileError`, `TransformersError.unsupportedSetting`.
    init(_ file: ModelConfiguration) throws {
        func pair(_ key: String, default number: Int) throws -> (Int, Int) {
            let numbers = try file.contains(key) ? file.integers(key, in: 1...1 << 16) : [number]
            guard let first = numbers.first, let last = numbers.last, numbers.count <= 2 else {
                throw TransformersError.unsupportedSetting(
                    file: file.file, key: key, got: "\(numbers.count) numbers", supported: "one number, or height and width")
            }
            return (first, last)
        }
        channels = try file.integer("num_channels", in: 1...4096, default: 3)
        (height, width) = try pair("image_size", default: 224)
        (patchHeight, patchWidth) = try pair("patch_size", default: 16)
        guard height % patchHeight == 0, width % patchWidth == 0 else {
            throw TransformersError.unsupportedSetting(
                file: file.file, key: "image_size", got: "\(height) x \(width)",
                supported: "multiples of patch_size, \(patchHeight) x \(patchWidth)")
        }
    }
}
