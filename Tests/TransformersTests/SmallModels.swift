import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// Models of a few thousand random numbers, built in memory.
enum SmallModels {
    static let bertSettings: JSONValue = [
        "model_type": "bert", "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40, "max_position_embeddings": 48, "type_vocab_size": 2, "hidden_act": "gelu",
    ]

    static let llamaSettings: JSONValue = [
        "model_type": "llama", "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 40, "max_position_embeddings": 48,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "hidden_act": "silu",
        "rope_parameters": ["rope_type": "default", "rope_theta": 10000.0],
    ]

    static func configuration(_ settings: JSONValue, changing changes: [String: JSONValue?] = [:])
        -> ModelConfiguration
    {
        var root = settings.objectValue ?? JSONObject()
        for (key, value) in changes { root[key] = value }
        return ModelConfiguration(file: "config.json", root: root)
    }

    static func bert(
        prefix: String = "", layout: SentenceEmbeddingLayout = layout(.mean, normalizes: true),
        replacing: [String: Tensor?] = [:]
    ) throws -> TransformerEncoder {
        try TransformerEncoder(
            configuration: BertConfiguration(configuration(bertSettings)), layout: layout,
            tensors: tensors(bertShapes, prefix: prefix, replacing: replacing))
    }

    static func layout(_ pooling: SentenceEmbeddingLayout.Pooling, normalizes: Bool = false)
        -> SentenceEmbeddingLayout
    {
        SentenceEmbeddingLayout(pooling: pooling, normalizes: normalizes, maximumSequenceLength: nil)
    }

    static func llama(
        changing changes: [String: JSONValue?] = [:], replacing: [String: Tensor?] = [:],
        structures: [String: ModelTensors.Structure] = [:]
    ) throws -> CausalTransformer {
        let configuration = try LlamaConfiguration(configuration(llamaSettings, changing: changes))
        return try CausalTransformer(
            configuration: configuration,
            tensors: tensors(llamaShapes(configuration), replacing: replacing, structures: structures))
    }

    /// Random tensors of the given shapes, each a function of its name; `replacing` adds, exchanges or (nil) removes some.
    static func tensors(
        _ shapes: [String: [Int]], prefix: String = "", replacing: [String: Tensor?] = [:],
        structures: [String: ModelTensors.Structure] = [:]
    ) throws -> ModelTensors {
        var table: [String: Tensor] = [:]
        for (name, shape) in shapes { table[prefix + name] = try random(name, shape) }
        for (name, tensor) in replacing { table[name] = tensor }
        let fixed = table
        return ModelTensors(file: "model.safetensors", names: fixed.keys.sorted(), structures: structures) {
            fixed[$0]
        }
    }

    static func random(_ name: String, _ shape: [Int], elementType: ElementType = .f32) throws -> Tensor {
        var generator = SeededGenerator(seed: 7, stream: name)
        let norm = shape.count == 1 && name.hasSuffix("weight")
        let values = (0..<shape.reduce(1, *)).map { _ in
            Float(norm ? 1 + 0.1 * generator.nextNormal() : 0.2 * generator.nextNormal())
        }
        return try Tensor(values, shape: shape, elementType: elementType)
    }

    static let bertShapes: [String: [Int]] = {
        var shapes = [
            "embeddings.word_embeddings.weight": [60, 24], "embeddings.position_embeddings.weight": [48, 24],
            "embeddings.token_type_embeddings.weight": [2, 24],
            "embeddings.LayerNorm.weight": [24], "embeddings.LayerNorm.bias": [24],
        ]
        for layer in 0..<2 {
            let linears = [
                ("attention.self.query", 24, 24), ("attention.self.key", 24, 24),
                ("attention.self.value", 24, 24),
                ("attention.output.dense", 24, 24), ("intermediate.dense", 40, 24), ("output.dense", 24, 40),
            ]
            for (name, rows, columns) in linears {
                shapes["encoder.layer.\(layer).\(name).weight"] = [rows, columns]
                shapes["encoder.layer.\(layer).\(name).bias"] = [rows]
            }
            for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
                shapes["encoder.layer.\(layer).\(name).weight"] = [24]
                shapes["encoder.layer.\(layer).\(name).bias"] = [24]
            }
        }
        return shapes
    }()

    static func llamaShapes(_ sizes: LlamaConfiguration) -> [String: [Int]] {
        let (width, wide) = (sizes.hiddenSize, sizes.intermediateSize)
        let (queries, keys) = (sizes.heads * sizes.headDimension, sizes.keyValueHeads * sizes.headDimension)
        var shapes = [
            "model.embed_tokens.weight": [sizes.vocabularySize, width], "model.norm.weight": [width],
        ]
        for layer in sizes.blocks.indices {
            let linears = [
                ("self_attn.q_proj", queries, width), ("self_attn.k_proj", keys, width),
                ("self_attn.v_proj", keys, width),
                ("self_attn.o_proj", width, queries), ("mlp.gate_proj", wide, width),
                ("mlp.up_proj", wide, width),
                ("mlp.down_proj", width, wide),
            ]
            for (name, rows, columns) in linears {
                shapes["model.layers.\(layer).\(name).weight"] = [rows, columns]
                shapes["model.layers.\(layer).\(name).bias"] = [rows]
            }
            for name in ["input_layernorm", "post_attention_layernorm"] {
                shapes["model.layers.\(layer).\(name).weight"] = [width]
            }
        }
        return shapes
    }

    /// Sequences of different lengths.
    static func sequences(_ count: Int) -> [[Int]] {
        (0..<count).map { index in (0..<1 + (index * 7) % 31).map { ($0 * 13 + index * 5) % 60 } }
    }

    static func largestDifference(_ first: [Float], _ second: [Float]) -> Float {
        first.count == second.count ? zip(first, second).map { abs($0 - $1) }.max() ?? 0 : .infinity
    }
}
