import Tensors

/// How an encoder's token vectors become one sentence vector, as sentence-transformers records it in `modules.json`,
/// the pooling module's `config.json` and `sentence_bert_config.json`.
public struct SentenceEmbeddingLayout: Sendable, Equatable {
    public enum Pooling: String, Sendable, CaseIterable {
        /// The mean over the tokens that are no padding.
        case mean
        /// The first token's vector.
        case cls
        /// The greatest value of each feature over the tokens that are no padding.
        case max
    }

    public let pooling: Pooling
    /// Whether the vector is scaled to length one.
    public let normalizes: Bool
    /// Longer token sequences are cut, special tokens counted; nil when the folder does not say.
    public let maximumSequenceLength: Int?

    public init(pooling: Pooling, normalizes: Bool, maximumSequenceLength: Int?) {
        self.pooling = pooling
        self.normalizes = normalizes
        self.maximumSequenceLength = maximumSequenceLength
    }
}

extension ModelFolder {
    private static let modulesFileName = "modules.json"

    /// The layout that `modules.json` describes; nil when the folder has none.
    ///
    /// Read are the modules Transformer (in the folder itself), Pooling and Normalize, in that order.
    /// - Throws: `ModelFileError.wrongValue` for any other module or pooling, `.notAModelFolder` when a module's file is missing.
    public func sentenceEmbeddingLayout() throws(ModelFileError) -> SentenceEmbeddingLayout? {
        guard contains(Self.modulesFileName) else { return nil }
        let file = file(Self.modulesFileName)
        let value = try JSONValue.read(file: file)
        guard let modules = value.arrayValue else {
            throw .wrongValue(file: file, key: "", expected: "an array", got: value.kindDescription)
        }
        var pooling: SentenceEmbeddingLayout.Pooling?
        var normalizes = false
        for (index, value) in modules.enumerated() {
            guard let object = value.objectValue else {
                throw .wrongValue(
                    file: file, key: String(index), expected: "an object", got: value.kindDescription)
            }
            let module = ModelConfiguration(file: file, root: object, keyPrefix: "\(index).")
            let type = try module.string("type")
            let folder = try module.string("path", default: "")
            switch type.split(separator: ".").last {
            case "Transformer" where index == 0:
                guard folder.isEmpty else {
                    throw module.wrong("path", "the model folder itself (\"\")", .string(folder))
                }
            case "Pooling" where index == 1: pooling = try self.pooling(in: folder, of: module)
            case "Normalize" where index == 2: normalizes = true
            default:
                throw module.wrong(
                    "type", "the modules Transformer, Pooling, Normalize in that order", .string(type))
            }
        }
        guard let pooling else {
            throw .wrongValue(
                file: file, key: "", expected: "a Pooling module", got: "\(modules.count) modules without one"
            )
        }
        return SentenceEmbeddingLayout(
            pooling: pooling, normalizes: normalizes, maximumSequenceLength: try maximumSequenceLength())
    }

    private func maximumSequenceLength() throws(ModelFileError) -> Int? {
        guard let settings = try settings(in: "sentence_bert_config.json"),
            settings.contains("max_seq_length")
        else { return nil }
        return try settings.integer("max_seq_length", in: 1...Int(Int32.max))
    }

    private func pooling(
        in folder: String, of module: ModelConfiguration
    ) throws(ModelFileError) -> SentenceEmbeddingLayout.Pooling {
        let bytes = Array(folder.utf8)
        guard !bytes.isEmpty, bytes[0] != UInt8(ascii: "."),
            bytes.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "/") && $0 != 0x7F })
        else { throw module.wrong("path", "the plain name of a folder", .string(folder)) }
        let settings = try ModelConfiguration(file: try requiredFile(folder + "/config.json"))
        if settings.contains("pooling_mode") {
            let name = try settings.string("pooling_mode")
            guard let pooling = SentenceEmbeddingLayout.Pooling(rawValue: name) else {
                throw settings.wrong("pooling_mode", "mean, cls or max", .string(name))
            }
            return pooling
        }
        let known: [String: SentenceEmbeddingLayout.Pooling] = [
            "pooling_mode_mean_tokens": .mean, "pooling_mode_cls_token": .cls,
            "pooling_mode_max_tokens": .max,
        ]
        let chosen = settings.root.filter { $0.key.hasPrefix("pooling_mode_") && $0.value.boolValue == true }
            .map(\.key)
        guard chosen.count == 1, let pooling = known[chosen[0]] else {
            throw .wrongValue(
                file: settings.file, key: "pooling_mode", expected: "one of mean, cls and max",
                got: chosen.isEmpty ? "none" : quotedForMessage(chosen.joined(separator: " and ")))
        }
        return pooling
    }
}
