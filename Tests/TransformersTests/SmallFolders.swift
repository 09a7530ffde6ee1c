import Foundation
import ModelFiles
import Tensors
import Testing
import Transformers

/// The small models that Hugging Face transformers wrote, each with what it computes
/// (Scripts/golden/make_model_goldens.py).
enum SmallFolders {
    static let causal = ["gpt2", "gpt2-untied", "llama", "mistral", "opt", "opt-projected", "qwen2", "qwen3"]
    static let encoders = ["bert", "distilbert", "roberta"]
    static let texts = causal + encoders

    static func path(_ name: String) -> String { RealInputs.resource("models/\(name)") }

    static func load(_ name: String) throws -> LoadedModel { try LoadedModel.load(path(name)) }

    static func golden(_ name: String) throws -> JSONValue { try RealInputs.json(path(name) + "/golden.json") }

    /// The tensors of a folder, some of them replaced, added or (nil) removed.
    static func tensors(
        _ name: String, replacing: [String: Tensor?] = [:], addedBiases: Set<String> = []
    ) throws -> ModelTensors {
        let checkpoint = try ModelFolder(path: path(name)).checkpoint()
        var names = Set(checkpoint.tensorNames)
        for (tensor, value) in replacing {
            if value == nil { names.remove(tensor) } else { names.insert(tensor) }
        }
        let known = names
        let kept = replacing.compactMapValues { $0 }
        return ModelTensors(file: "model.safetensors", names: known.sorted(), addedBiases: addedBiases) { tensor in
            guard known.contains(tensor) else { return nil }
            return try kept[tensor] ?? checkpoint.tensor(named: tensor)
        }
    }

    /// The folder's model of other tensors, with changes to its configuration.
    static func model(
        _ name: String, _ tensors: ModelTensors, changing change: (inout ModelConfiguration) -> Void = { _ in }
    ) throws -> any NetworkModel {
        var configuration = try ModelFolder(path: path(name)).configuration
        change(&configuration)
        let architecture = try Architectures.architecture(for: configuration)
        return try #require(try architecture.load(configuration, tensors) as? any NetworkModel)
    }
}
