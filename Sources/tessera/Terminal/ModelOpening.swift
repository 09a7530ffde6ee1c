import ModelFiles
import Transformers

extension LoadedModel {
    /// The model of a folder that was named on the command line; what is missing there is said in plain words.
    /// - Throws: as `load`.
    static func open(_ path: String) throws -> LoadedModel {
        _ = try ModelFolder(path: path)
        return try load(path)
    }

    /// "an encoder", "a causal language model".
    var kind: String { model is any EncoderModel ? "an encoder" : "a causal language model" }

    /// - Throws: `CommandError.wrongKind`.
    func encoder(for command: String) throws -> any EncoderModel {
        guard let encoder = model as? any EncoderModel else {
            throw CommandError.wrongKind(command: command, model: folder, expected: "an encoder", got: kind)
        }
        return encoder
    }

    /// - Throws: `CommandError.wrongKind`.
    func causal(for command: String) throws -> any CausalModel {
        guard let causal = model as? any CausalModel else {
            throw CommandError.wrongKind(command: command, model: folder, expected: "a causal language model", got: kind)
        }
        return causal
    }
}
