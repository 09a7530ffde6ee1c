import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Every complaint is one line that names the file, and the tensor or key.
@Suite struct LoadingErrorTests {
    private func message(_ body: () throws -> some Any) -> String {
        do {
            _ = try body()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func tensorsOfBert() throws {
        let query = "encoder.layer.1.attention.self.query.weight"
        #expect(
            message { try SmallModels.bert(replacing: [query: nil]) }
                == "model.safetensors: tensor \"\(query)\" is missing")
        let wrong = try SmallModels.random(query, [24, 23])
        #expect(
            message { try SmallModels.bert(replacing: [query: wrong]) }
                == "model.safetensors: tensor \"\(query)\": expected shape [24, 24], got [24, 23]")
        let integers = try Tensor(
            elementType: .i32, shape: [24, 24], bytes: [UInt8](repeating: 0, count: 24 * 24 * 4))
        #expect(
            message { try SmallModels.bert(replacing: [query: integers]) }
                == "model.safetensors: tensor \"\(query)\": expected element type F32, F16 or BF16, got I32")
        let bias = "encoder.layer.0.output.dense.bias"
        #expect(
            message { try SmallModels.bert(replacing: [bias: nil]) }
                == "model.safetensors: tensor \"\(bias)\" is missing")
        let norm = "embeddings.LayerNorm.weight"
        let short = try SmallModels.random(norm, [23])
        #expect(
            message { try SmallModels.bert(replacing: [norm: short]) }
                == "model.safetensors: tensor \"\(norm)\": expected shape [24], got [23]")
    }

    @Test func structuresOfLlama() throws {
        let name = "model.layers.0.mlp.up_proj"
        func load(
            _ family: String, rows: Int = 40, attributes: [String: Int] = ["rank": 3], v: [Int] = [3, 24]
        ) -> String {
            message {
                let (u, v) = (try SmallModels.random("u", [40, 3]), try SmallModels.random("v", v))
                return try SmallModels.llama(
                    replacing: [name + ".u": u, name + ".v": v],
                    structures: [
                        name: .init(
                            family: family, shape: MatrixShape(rows: rows, columns: 24),
                            attributes: attributes)
                    ])
            }
        }
        #expect(load("low-rank") == "no error")
        #expect(
            load("lowest-rank").hasPrefix(
                "\(name): unknown family \"lowest-rank\", expected one of dense, low-rank"))
        #expect(
            load("low-rank", rows: 41)
                == "model.safetensors: matrix \"\(name)\": expected shape 40 x 24, got 41 x 24")
        #expect(load("low-rank", attributes: [:]) == "\(name): attribute 'rank' is missing")
        #expect(
            load("low-rank", v: [4, 24])
                == "model.safetensors: tensor \"\(name).v\": expected shape [3, 24], got [4, 24]")
    }

    @Test(
        arguments: [
            ("hidden_size", nil, "config.json: \"hidden_size\" is missing"),
            (
                "hidden_size", "wide",
                "config.json: \"hidden_size\": expected a whole number from 1 to 2147483647, got \"wide\""
            ),
            (
                "num_hidden_layers", 0,
                "config.json: \"num_hidden_layers\": expected a whole number from 1 to 4096, got 0"
            ),
            (
                "vocab_size", -5,
                "config.json: \"vocab_size\": expected a whole number from 1 to 2147483647, got -5"
            ),
            (
                "hidden_act", "mish",
                "config.json: 'hidden_act' is \"mish\", supported: gelu, gelu_fast, gelu_new, gelu_pytorch_tanh, relu, silu, swish"
            ),
            (
                "num_key_value_heads", 3,
                "config.json: 'num_key_value_heads' is 3, supported: divisors of num_attention_heads, 4"
            ),
            ("head_dim", 7, "config.json: 'head_dim' is 7, supported: even numbers up to 65536"),
            ("rms_norm_eps", 0, "config.json: 'rms_norm_eps' is 0.0, supported: positive numbers"),
            (
                "rope_parameters", ["rope_type": "yarn"],
                "config.json: 'rope_type' is \"yarn\", supported: default, linear, llama3"
            ),
            (
                "rope_parameters", ["rope_type": "linear"],
                "config.json: \"rope_parameters.factor\" is missing"
            ),
        ] as [(String, JSONValue?, String)])
    func configurationsOfLlama(key: String, value: JSONValue?, expected: String) {
        let got = message {
            try LlamaConfiguration(
                SmallModels.configuration(SmallModels.llamaSettings, changing: [key: value]))
        }
        #expect(got == expected)
    }

    @Test(
        arguments: [
            (
                "num_attention_heads", 5,
                "config.json: 'hidden_size' is 24, supported: multiples of num_attention_heads, 5"
            ),
            (
                "hidden_act", "quick_gelu",
                "config.json: 'hidden_act' is \"quick_gelu\", supported: gelu, gelu_fast, gelu_new, gelu_pytorch_tanh, relu, silu, swish"
            ),
            (
                "position_embedding_type", "relative_key",
                "config.json: 'position_embedding_type' is \"relative_key\", supported: absolute"
            ),
        ] as [(String, JSONValue?, String)])
    func configurationsOfBert(key: String, value: JSONValue?, expected: String) {
        let got = message {
            try BertConfiguration(SmallModels.configuration(SmallModels.bertSettings, changing: [key: value]))
        }
        #expect(got == expected)
    }

    @Test func folders() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "tessera-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let config = folder.appendingPathComponent("config.json")

        #expect(
            message { try LoadedModel.load(folder.path) }
                == "\(folder.path): not a model folder: config.json is missing")
        for name in ["model.safetensors", "tokenizer.json"] {
            try FileManager.default.copyItem(
                atPath: RealInputs.tinyLlama + "/" + name, toPath: folder.appendingPathComponent(name).path)
        }
        try Data(#"{"model_type": "mamba"}"#.utf8).write(to: config)
        #expect(
            message { try LoadedModel.load(folder.path) }
                == "\(config.path): model_type \"mamba\" is not known, expected one of \(Architectures.names.joined(separator: ", "))")
        try Data("{}".utf8).write(to: config)
        #expect(message { try LoadedModel.load(folder.path) } == "\(config.path): \"model_type\" is missing")

        // The second is the name of a tensor that exists, and of no matrix.
        for name in ["model.layers.9.mlp.up_proj", "model.norm.weight"] {
            var configuration = try ModelConfiguration(file: RealInputs.tinyLlama + "/config.json")
            configuration.setStructuredEntries([
                (name, StructuredEntry(family: "dense", rows: 1024, columns: 384))
            ])
            try FileManager.default.removeItem(at: config)
            try configuration.write(to: config.path)
            #expect(
                message { try LoadedModel.load(folder.path) }
                    == "\(config.path): the model has no matrix \"\(name)\"")
        }
    }

    @Test func everyMessageIsOneLine() {
        let errors: [TransformersError] = [
            .unknownArchitecture(file: "f", got: "x\ny", known: ["a", "b"]),
            .unsupportedSetting(file: "f", key: "k", got: "1", supported: "2"),
            .shapeMismatch(file: "f", matrix: "m", expected: "1 x 2", got: "2 x 1"),
            .unknownMatrix(file: "f", matrix: "m\r\n"),
            .tokenOutOfRange(token: 9, vocabulary: 5), .sequenceTooLong(count: 9, maximum: 5), .emptySequence,
            .notExpressible(folder: "f", architecture: "bert", reason: "r"), .wrongImages(expected: [3, 4, 4], got: "2 of 5 numbers"),
            .wrongKind(folder: "f", expected: "an encoder", got: "'llama'"),
            .invalidOption(name: "top-p", expected: "a number above 0, at most 1", got: "2"),
        ]
        for error in errors { #expect(!error.description.contains("\n") && !error.description.isEmpty) }
    }
}
