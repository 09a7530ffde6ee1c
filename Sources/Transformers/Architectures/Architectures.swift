import ModelFiles

/// A kind of model that can be built from a Hugging Face folder.
public struct Architecture: Sendable {
    /// Hugging Face's `model_type`.
    public let name: String
    /// - Throws: `ModelFileError`, `TransformersError`, `StructuredMatrixError`, each naming the file and what is wrong in it.
    let load: @Sendable (ModelFolder, ModelTensors) throws -> any TransformerModel
}

/// Every architecture there is, each registered here once.
public enum Architectures {
    public static let all: [Architecture] = [
        .bert, .llama, .mistral, .qwen2, .qwen3, .gpt2, .opt, .roberta, .distilBert, .vit,
    ]

    public static var names: [String] { all.map { $0.name } }

    /// The architecture that `config.json` asks for.
    /// - Throws: `TransformersError.unknownArchitecture`; `ModelFileError` when `model_type` is missing or no string.
    public static func architecture(for configuration: ModelConfiguration) throws -> Architecture {
        let name = try configuration.modelType
        guard let architecture = all.first(where: { $0.name == name }) else {
            throw TransformersError.unknownArchitecture(file: configuration.file, got: name, known: names)
        }
        return architecture
    }
}

extension ModelFolder {
    /// How token vectors become one: as `modules.json` says; without it the folder is a plain encoder, of which
    /// sentence-transformers takes the mean and keeps the length.
    func embeddingLayout() throws -> SentenceEmbeddingLayout {
        try sentenceEmbeddingLayout()
            ?? SentenceEmbeddingLayout(pooling: .mean, normalizes: false, maximumSequenceLength: nil)
    }
}
