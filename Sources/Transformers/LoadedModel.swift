import Foundation
import ModelFiles
import Tensors

/// A model folder in memory: the model with its configuration, checkpoint and tokenizer.
public struct LoadedModel: Sendable {
    public let folder: String
    public let configuration: ModelConfiguration
    public let checkpoint: Checkpoint
    public let tokenizer: Tokenizer
    /// May be replaced, or have its matrices replaced; the rest then serves the new one.
    public var model: any TransformerModel
    /// Tokens that end a text, from `generation_config.json` or `config.json`; empty for encoders that have none.
    public let stopTokens: Set<Int>
    /// Tensors of the checkpoint that the model has no use for.
    public let unusedTensors: [String]
    /// The sequences of the images that the model was given (`take`); none for models of text.
    public private(set) var imageSequences: [[Int]] = []

    public init(
        folder: String, configuration: ModelConfiguration, checkpoint: Checkpoint, tokenizer: Tokenizer,
        model: any TransformerModel, stopTokens: Set<Int>, unusedTensors: [String]
    ) {
        self.folder = folder
        self.configuration = configuration
        self.checkpoint = checkpoint
        self.tokenizer = tokenizer
        self.model = model
        self.stopTokens = stopTokens
        self.unusedTensors = unusedTensors
    }

    /// Reads a Hugging Face folder, ordinary or compressed.
    ///
    /// Weights stay in the mapped files; those of 16 bits are converted to `Float` when they are first computed with,
    /// unless `TransformerModel.prepare` lays them out for products, which leaves them as they are.
    /// - Parameter isStreamed: whether weights are read from the files at every use, so that models larger than memory
    ///   can be run; the results are the same bits. Takes about a third longer for 64 tokens at once, more for fewer.
    /// - Throws: `ModelFileError`, `TokenizerError`, `TransformersError`, `StructuredMatrixError`, one line each, naming file
    ///   and tensor or key.
    public static func load(_ folder: String, isStreamed: Bool = false) throws -> LoadedModel {
        let files = try ModelFolder(path: folder)
        let configuration = files.configuration
        let architecture = try Architectures.architecture(for: configuration)
        let checkpoint = try files.checkpoint(isStreamed: isStreamed)
        let structures = try configuration.structuredEntries() ?? []
        let tensors = ModelTensors(
            checkpoint, structures: structures, addedBiases: try configuration.addedBiases(),
            dropsMeans: try configuration.dropsMeans())
        let model = try architecture.load(files, tensors)
        let sites = Set(model.sites.map(\.name))
        if let matrix = structures.first(where: { !sites.contains($0.matrix) })?.matrix {
            throw TransformersError.unknownMatrix(file: configuration.file, matrix: matrix)
        }
        let generation = try files.settings(in: ModelFolder.generationConfigurationFileName)
        let stopTokens =
            try configuration.integers("eos_token_id") + (generation?.integers("eos_token_id") ?? [])
        return LoadedModel(
            folder: folder, configuration: configuration, checkpoint: checkpoint,
            tokenizer: model is any ImageModel ? .none : try Tokenizer.load(from: URL(fileURLWithPath: folder)),
            model: model,
            stopTokens: Set(stopTokens), unusedTensors: tensors.unused)
    }

    /// Reads a folder for its matrices alone, whatever the architecture: as `load` where that is known, else a `PlainModel`.
    /// - Throws: as `load`, but for `TransformersError.unknownArchitecture`.
    public static func loadMatrices(_ folder: String, isStreamed: Bool = false) throws -> LoadedModel {
        let files = try ModelFolder(path: folder)
        let configuration = files.configuration
        if (try? Architectures.architecture(for: configuration)) != nil { return try load(folder, isStreamed: isStreamed) }
        let checkpoint = try files.checkpoint(isStreamed: isStreamed)
        let structures = try configuration.structuredEntries() ?? []
        let tensors = ModelTensors(checkpoint, structures: structures)
        let model = try PlainModel(checkpoint, structures: structures, tensors: tensors)
        return LoadedModel(
            folder: folder, configuration: configuration, checkpoint: checkpoint, tokenizer: try .withoutTokens(),
            model: model, stopTokens: [], unusedTensors: tensors.unused)
    }

    /// The model as an encoder.
    /// - Throws: `TransformersError.wrongKind`.
    public var encoder: any EncoderModel {
        get throws {
            guard let encoder = model as? any EncoderModel else { throw wrongKind(expected: "an encoder") }
            return encoder
        }
    }

    /// The model as a causal language model.
    /// - Throws: `TransformersError.wrongKind`.
    public var causal: any CausalModel {
        get throws {
            guard let causal = model as? any CausalModel else {
                throw wrongKind(expected: "a causal language model")
            }
            return causal
        }
    }

    /// Hands the images of a .npy file (images x channels x height x width) to a model of images; their sequences are then
    /// `imageSequences`.
    /// - Throws: `TransformersError.wrongKind` for a model of text, `.wrongImages`; `ModelFileError`.
    public mutating func take(images file: String) throws {
        guard var images = model as? any ImageModel else { throw wrongKind(expected: "a model of images") }
        let array = try NumPyArray(images: file)
        guard Array(array.shape.dropFirst()) == images.imageShape, array.shape[0] > 0 else {
            throw TransformersError.wrongImages(
                expected: images.imageShape, got: array.shape.map(String.init).joined(separator: " x "))
        }
        let columns = images.imageShape.reduce(1, *)
        imageSequences = try images.take(
            images: Matrix(rows: array.shape[0], columns: columns, elements: array.elements))
        model = images
    }

    private func wrongKind(expected: String) -> TransformersError {
        .wrongKind(folder: folder, expected: expected, got: "'\(model.architecture)'")
    }

    /// The tokens of a text, cut to what the model takes.
    public func tokens(_ text: String) -> [Int] {
        tokenizer.encode(text, maximumLength: model.maximumTokens)
    }

    /// The embedding of each text, texts x dimension.
    /// - Throws: `TransformersError.wrongKind` for a causal model; what `EncoderModel.embed` throws.
    public func embed(_ texts: [String], context: ExecutionContext = ExecutionContext()) throws -> Matrix {
        let encoder = try encoder
        let sequences = try context.parallelMap(texts.count) { tokens(texts[$0]) }
        return try encoder.embed(sequences, context: context)
    }

    /// Continues a text; `onText` is shown what is new as soon as it is complete characters, and ends the text by `false`.
    /// - Throws: `TransformersError.wrongKind` for an encoder; what `CausalModel.generate` throws.
    public func generate(
        _ prompt: String, options: GenerationOptions, context: ExecutionContext = ExecutionContext(),
        onText: (String) -> Bool = { _ in true }
    ) throws -> Generation {
        var options = options
        options.stopTokens.formUnion(stopTokens)
        var decoder = IncrementalDecoder(tokenizer)
        let result = try causal.generate(tokenizer.encode(prompt), options: options, context: context) {
            token in
            let text = decoder.append(token)
            return text.isEmpty || onText(text)
        }
        let rest = decoder.finish()
        if result.end != .cancelled, !rest.isEmpty { _ = onText(rest) }
        return result
    }
}
