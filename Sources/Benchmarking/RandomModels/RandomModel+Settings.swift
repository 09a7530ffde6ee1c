import Foundation
import ModelFiles

extension RandomModel {
    /// Everything but the weights.
    func writeSettings(to folder: OutputFolder) throws {
        var configuration = ModelConfiguration(
            file: folder.file(ModelFolder.configurationFileName), root: configuration)
        configuration.setStructuredEntries(structuredEntries)
        try configuration.write(to: folder.file(ModelFolder.configurationFileName))
        let size = shape.vocabularySize
        let tokenizer =
            shape.kind == .llama
            ? RandomTokenizer.bytePairs(size: size) : RandomTokenizer.wordPieces(size: size)
        try AtomicFile.write(
            try tokenizer.text(pretty: false), to: folder.file(ModelFolder.tokenizerFileName))
        guard shape.kind == .bert else { return }
        let modules: JSONValue = [
            module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling"),
            module(2, "2_Normalize", "Normalize"),
        ]
        try AtomicFile.write(try modules.text(pretty: true), to: folder.file("modules.json"))
        try FileManager.default.createDirectory(
            atPath: folder.file("1_Pooling"), withIntermediateDirectories: false)
        let pooling: JSONValue = [
            "word_embedding_dimension": integer(shape.hiddenSize), "pooling_mode_mean_tokens": .bool(true),
        ]
        try AtomicFile.write(try pooling.text(pretty: true), to: folder.file("1_Pooling/config.json"))
    }

    private func integer(_ value: Int) -> JSONValue { .integer(Int64(value)) }

    private func module(_ index: Int, _ path: String, _ type: String) -> JSONValue {
        [
            "idx": integer(index), "name": .string("\(index)"), "path": .string(path),
            "type": .string("sentence_transformers.models.\(type)"),
        ]
    }

    private var configuration: JSONObject {
        var settings: JSONObject = shape.kind == .llama ? llamaSettings : bertSettings
        settings["hidden_size"] = integer(shape.hiddenSize)
        settings["intermediate_size"] = integer(shape.intermediateSize)
        settings["num_attention_heads"] = integer(shape.heads)
        settings["num_hidden_layers"] = integer(shape.layers)
        settings["max_position_embeddings"] = integer(shape.positions)
        settings["vocab_size"] = integer(shape.vocabularySize)
        settings["initializer_range"] = .number(0.02)
        settings["dtype"] = .string(
            storage.elementType == .f32 ? "float32" : storage.elementType == .bf16 ? "bfloat16" : "float16")
        return settings
    }

    /// No token ends a text: what is measured is as long as was asked for.
    private var llamaSettings: JSONObject {
        var settings = JSONObject()
        settings["architectures"] = ["LlamaForCausalLM"]
        settings["model_type"] = "llama"
        settings["hidden_act"] = "silu"
        settings["num_key_value_heads"] = integer(shape.keyValueHeads)
        settings["head_dim"] = integer(shape.headDimension)
        settings["attention_bias"] = .bool(false)
        settings["mlp_bias"] = .bool(false)
        settings["rms_norm_eps"] = .number(1e-5)
        settings["rope_parameters"] = ["rope_type": "default", "rope_theta": .number(10_000)]
        settings["tie_word_embeddings"] = .bool(shape.tiedEmbeddings)
        settings["bos_token_id"] = .null
        settings["eos_token_id"] = .null
        return settings
    }

    private var bertSettings: JSONObject {
        var settings = JSONObject()
        settings["architectures"] = ["BertModel"]
        settings["model_type"] = "bert"
        settings["hidden_act"] = "gelu"
        settings["position_embedding_type"] = "absolute"
        settings["layer_norm_eps"] = .number(1e-12)
        settings["type_vocab_size"] = integer(2)
        settings["pad_token_id"] = integer(0)
        return settings
    }
}
