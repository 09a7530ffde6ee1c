import Foundation
import ModelFiles

/// What sentence-transformers keeps beside an encoder: how token vectors become one vector, and where texts are cut.
public struct SentenceHead: Sendable, Equatable {
    public enum Pooling: String, Sendable, CaseIterable {
        /// The mean of all tokens' vectors.
        case mean
        /// The first token's vector.
        case cls
    }

    public let pooling: Pooling
    /// Whether the vector is scaled to length 1.
    public let normalize: Bool
    /// Tokens a text is cut to; nil where only the model's positions bound it.
    public let maximumTokens: Int?

    public init(pooling: Pooling = .mean, normalize: Bool = false, maximumTokens: Int? = nil) {
        self.pooling = pooling
        self.normalize = normalize
        self.maximumTokens = maximumTokens
    }

    /// Reads `modules.json`, the pooling configuration it names and `sentence_bert_config.json`. A folder without
    /// `modules.json` is a plain encoder: mean pooling, lengths kept.
    /// - Throws: `ModelFileError`; `TransformersError.unsupportedSetting` for modules and pooling modes not known here.
    public init(folder: String) throws {
        let path = { (name: String) in URL(fileURLWithPath: folder).appendingPathComponent(name).path }
        let limits = path("sentence_bert_config.json")
        let maximumTokens = try FileManager.default.fileExists(atPath: limits)
            ? ModelConfiguration(file: limits) : nil
        self.maximumTokens = try maximumTokens.flatMap {
            $0.contains("max_seq_length") ? try $0.size("max_seq_length") : nil
        }

        let modules = path("modules.json")
        var (pooling, normalize) = (Pooling.mean, false)
        if FileManager.default.fileExists(atPath: modules) {
            let list = try JSONValue.read(file: modules)
            guard let entries = list.arrayValue else {
                throw ModelFileError.wrongValue(
                    file: modules, key: "", expected: "an array of modules", got: list.kindDescription)
            }
            for entry in entries {
                guard let object = entry.objectValue else {
                    throw ModelFileError.wrongValue(
                        file: modules, key: "", expected: "objects", got: entry.kindDescription)
                }
                let module = ModelConfiguration(file: modules, root: object)
                let type = try module.string("type")
                switch type.split(separator: ".").last {
                case "Transformer": break
                case "Normalize": normalize = true
                case "Pooling":
                    let subfolder = try module.string("path")
                    guard !subfolder.split(separator: "/").contains(".."), !subfolder.hasPrefix("/") else {
                        throw TransformersError.unsupportedSetting(
                            file: modules, key: "path", got: "'\(subfolder)'", supported: "folders inside the model's")
                    }
                    pooling = try Self.pooling(ModelConfiguration(file: path("\(subfolder)/config.json")))
                default:
                    throw TransformersError.unsupportedSetting(
                        file: modules, key: "type", got: "'\(type)'", supported: "Transformer, Pooling, Normalize")
                }
            }
        }
        self.pooling = pooling
        self.normalize = normalize
    }

    /// Newer files name the mode, older ones have a flag for each.
    private static func pooling(_ file: ModelConfiguration) throws -> Pooling {
        var modes: [String] = []
        if file.contains("pooling_mode") {
            modes = [try file.string("pooling_mode")]
        } else {
            let flags = [
                "mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens",
                "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens", "weightedmean": "pooling_mode_weightedmean_tokens",
                "lasttoken": "pooling_mode_lasttoken",
            ]
            for (mode, key) in flags.sorted(by: { $0.key < $1.key }) where try file.bool(key, default: false) {
                modes.append(mode)
            }
        }
        guard modes.count == 1, let mode = Pooling(rawValue: modes[0]) else {
            throw TransformersError.unsupportedSetting(
                file: file.file, key: "pooling_mode", got: modes.isEmpty ? "nothing" : "'\(modes.joined(separator: "+"))'",
                supported: Pooling.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return mode
    }
}
