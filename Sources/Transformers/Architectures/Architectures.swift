import ModelFiles

/// A kind of model that can be built from a Hugging Face folder.
public struct Architecture: Sendable {
    /// Hugging Face's `model_type`.
    public let name: String
    /// How token vectors become one is asked for by encoders alone.
    let build:
        @Sendable (_ file: ModelConfiguration, _ layout: () throws -> SentenceEmbeddingLayout, _ tensors: ModelTensors) throws
            -> any TransformerModel

    /// - Throws: `ModelFileError`, `TransformersError`, `StructuredMatrixError`, each naming the file and what is wrong in it.
    func load(_ folder: ModelFolder, _ tensors: ModelTensors) throws -> any TransformerModel {
        try build(folder.configuration, folder.embeddingLayout, tensors)
    }

    /// The model of a configuration and tensors that need not lie in a folder; of an encoder's vectors the mean is taken.
    /// - Throws: as above.
    public func load(_ configuration: ModelConfiguration, _ tensors: ModelTensors) throws -> any TransformerModel {
        try build(configuration, { .mean }, tensors)
    }
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

extension SentenceEmbeddingLayout {
    /// What sentence-transformers does with a plain encoder: the mean, and the encoder's length.
    static let mean = SentenceEmbeddingLayout(pooling: .mean, normalizes: false, maximumSequenceLength: nil)
}

extension ModelFolder {
    /// How token vectors become one, as `modules.json` says, if there is one.
    fileprivate func embeddingLayout() throws -> SentenceEmbeddingLayout { try sentenceEmbeddingLayout() ?? .mean }
}
