import Foundation
import ModelFiles
import Tensors
import Testing
import Transformers

/// The small models that Hugging Face transformers wrote, one of each architecture, and what they compute.
enum SmallNetworks {
    static let causal = ["llama", "mistral", "qwen2", "qwen3", "gpt2", "gpt2-untied", "opt", "opt-projected"]
    static let encoders = ["bert", "distilbert", "roberta", "vit"]
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "TransformersTests/Resources/models")

    static func path(_ name: String) -> String { folder.appending(path: name).path }

    /// The model and sequences for it.
    static func load(_ name: String) throws -> (model: any NetworkModel, sequences: [[Int]]) {
        var loaded = try LoadedModel.load(path(name))
        guard name == "vit" else {
            let sequences = (0..<24).map { index in (0..<4 + index).map { 3 + ($0 * 37 + index * 11) % 290 } }
            return (try #require(loaded.model as? any NetworkModel), sequences)
        }
        try loaded.take(images: path(name) + "/images.npy")
        return (try #require(loaded.model as? any NetworkModel), loaded.imageSequences)
    }

    /// Scores of every token of the first sequences, or their embeddings.
    static func outputs(
        _ model: any TransformerModel, _ sequences: [[Int]], context: ExecutionContext = .serial
    ) throws -> [Float] {
        if let encoder = model as? any EncoderModel { return try encoder.embed(sequences, context: context).elements }
        let causal = try #require(model as? any CausalModel)
        return try sequences.prefix(6).flatMap { try causal.logits($0, context: context).elements }
    }

    /// The largest difference over the largest output.
    static func relativeDifference(_ left: [Float], _ right: [Float]) -> Float {
        guard left.count == right.count, let largest = left.map(abs).max(), largest > 0 else { return .infinity }
        return (zip(left, right).map { abs($0 - $1) }.max() ?? 0) / largest
    }
}
