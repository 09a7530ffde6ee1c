import Benchmarking
import ModelFiles
import Tensors
import Transformers

/// A model that is ready to run, and how long that took.
struct ReadyModel {
    var loaded: LoadedModel
    /// Reading the folder, and laying the matrices out for products.
    let loadSeconds: Double
    let packSeconds: Double

    /// - Throws: as `LoadedModel.load`.
    static func open(_ path: String, _ options: RuntimeOptions, context: ExecutionContext) throws -> ReadyModel {
        let clock = ContinuousClock()
        let start = clock.now
        var loaded = try LoadedModel.open(path)
        let read = clock.now
        loaded.model.prepare(options.preparation, context: context)
        return ReadyModel(
            loaded: loaded, loadSeconds: start.duration(to: read).inSeconds,
            packSeconds: read.duration(to: clock.now).inSeconds)
    }

    var startUp: JSONValue {
        [
            "model": .string(loaded.folder), "load_seconds": JSONValue(loadSeconds),
            "pack_seconds": JSONValue(packSeconds),
        ]
    }
}

extension LoadedModel {
    /// The model of a folder that was named on the command line; what is missing there is said in plain words.
    /// - Throws: as `load`.
    static func open(_ path: String) throws -> LoadedModel {
        _ = try ModelFolder(path: path)
        return try load(path)
    }

    /// The same for commands that do not run the model: its architecture may be unknown, which is said.
    /// - Throws: as `loadMatrices`.
    static func openMatrices(_ path: String, quiet: Bool) throws -> LoadedModel {
        _ = try ModelFolder(path: path)
        let loaded = try loadMatrices(path)
        if loaded.model is PlainModel, !quiet {
            let type = (try? loaded.configuration.modelType) ?? "no model_type"
            standardError("\(path): the architecture (\(type)) is not known: only its plain matrices are looked at\n")
        }
        return loaded
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
