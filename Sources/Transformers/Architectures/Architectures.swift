import ModelFiles

/// A model that can be built from a Hugging Face folder.
public protocol LoadableModel: TransformerModel {
    /// - Throws: `ModelFileError`, `TransformersError`, `StructuredMatrixError`, each naming the file and what is wrong in it.
    static func load(_ folder: ModelFolder, tensors: ModelTensors) throws -> Self
}

/// Every architecture there is, each registered here once.
public enum Architectures {
    public static let all: [any LoadableModel.Type] = [
        BertEncoder.self,
        LlamaModel.self,
    ]

    public static var names: [String] { all.map { $0.architecture } }

    /// The architecture that `config.json` asks for.
    /// - Throws: `TransformersError.unknownArchitecture`; `ModelFileError` when `model_type` is missing or no string.
    public static func type(for configuration: ModelConfiguration) throws -> any LoadableModel.Type {
        let name = try configuration.modelType
        guard let type = all.first(where: { $0.architecture == name }) else {
            throw TransformersError.unknownArchitecture(file: configuration.file, got: name, known: names)
        }
        return type
    }
}

extension BertEncoder: LoadableModel {
    public static func load(_ folder: ModelFolder, tensors: ModelTensors) throws -> BertEncoder {
        // Without modules.json it is a plain encoder: sentence-transformers then takes the mean and keeps its length.
        let plain = SentenceEmbeddingLayout(pooling: .mean, normalizes: false, maximumSequenceLength: nil)
        return try BertEncoder(
            configuration: BertConfiguration(folder.configuration),
            layout: folder.sentenceEmbeddingLayout() ?? plain,
            tensors: tensors)
    }
}

extension LlamaModel: LoadableModel {
    public static func load(_ folder: ModelFolder, tensors: ModelTensors) throws -> LlamaModel {
        try LlamaModel(configuration: LlamaConfiguration(folder.configuration), tensors: tensors)
    }
}
