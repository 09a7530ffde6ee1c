/// A model folder as Hugging Face lays it out: `config.json`, weights, tokenizer files and whatever else came along.
public struct ModelFolder: Sendable {
    public static let configurationFileName = "config.json"
    public static let tokenizerFileName = "tokenizer.json"
    public static let tokenizerConfigurationFileName = "tokenizer_config.json"
    public static let generationConfigurationFileName = "generation_config.json"

    public let path: String
    /// The contents of `config.json`.
    public let configuration: ModelConfiguration

    /// Reads `config.json` and looks that weights are there; they are opened by `checkpoint()`.
    /// - Throws: `ModelFileError.notAModelFolder` naming what is missing, and what reading `config.json` throws.
    public init(path: String) throws(ModelFileError) {
        guard isDirectory(path) else {
            throw .notAModelFolder(
                folder: path, reason: isRegularFile(path) ? "it is a file" : "no such folder")
        }
        let file = joinPath(path, Self.configurationFileName)
        guard isRegularFile(file) else {
            throw .notAModelFolder(folder: path, reason: "\(Self.configurationFileName) is missing")
        }
        self.path = path
        configuration = try ModelConfiguration(file: file)
        guard contains(Checkpoint.singleFileName) || contains(Checkpoint.indexFileName) else {
            throw .notAModelFolder(
                folder: path,
                reason: "\(Checkpoint.singleFileName) or \(Checkpoint.indexFileName) is missing"
                    + (contains("pytorch_model.bin")
                        ? " (pytorch_model.bin is not read; convert it to safetensors)" : ""))
        }
    }

    /// The path of a file in the folder, there or not.
    public func file(_ name: String) -> String { joinPath(path, name) }

    /// Whether a regular file of that name is there.
    public func contains(_ name: String) -> Bool { isRegularFile(file(name)) }

    /// The path of a file that must be there.
    /// - Throws: `ModelFileError.notAModelFolder`.
    public func requiredFile(_ name: String) throws(ModelFileError) -> String {
        guard contains(name) else { throw .notAModelFolder(folder: path, reason: "\(name) is missing") }
        return file(name)
    }

    /// The settings in another JSON file of the folder; nil when it is not there.
    /// - Throws: what `ModelConfiguration.init(file:)` throws.
    public func settings(in name: String) throws(ModelFileError) -> ModelConfiguration? {
        contains(name) ? try ModelConfiguration(file: file(name)) : nil
    }

    /// - Parameter isStreamed: as `TensorStorage.isStreamed`, of every weight file.
    /// - Throws: what `Checkpoint.init(folder:)` throws.
    public func checkpoint(isStreamed: Bool = false) throws(ModelFileError) -> Checkpoint {
        try Checkpoint(folder: path, isStreamed: isStreamed)
    }
}
