import Analysis
import ArgumentParser
import Compression
import Foundation
import Transformers

/// The text that quality is measured on, as commands let their users name it.
struct EvaluationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Text to measure on; - for standard input.", valueName: "file"))
    var text: String?

    @Option(help: ArgumentHelp("Rows of sentence,sentence,score.", valueName: "file"))
    var sts: String?

    @Option(help: ArgumentHelp(
        "Causal models: tokens in a window (default: the model's positions, at most \(EvaluationText.longestDefaultWindow)).",
        valueName: "n"))
    var window: Int?

    @Flag(help: "Measure on a text though the model was calibrated on parts of it.")
    var allowOverlap = false

    func validate() throws {
        if text != nil, sts != nil { throw ValidationError("--text and --sts exclude each other") }
        if sts != nil, window != nil { throw ValidationError("--window: is for causal models and --text") }
    }

    /// What was named, read for a model of this kind; nil where nothing was.
    /// - Throws: `CommandError`, also for a text that the model's kind has no use for; `AnalysisError`.
    func read(for loaded: LoadedModel, command: String) throws -> EvaluationText? {
        if let sts {
            _ = try loaded.encoder(for: "\(command) --sts")
            return .pairs(try SentencePair.read(csv: sts), name: Self.name(sts))
        }
        guard let text else { return nil }
        if loaded.model is any EncoderModel {
            if window != nil {
                throw CommandError.conflictingOptions("--window: is for causal models, \(loaded.folder) is an encoder")
            }
            return .sentences(try TextFile.sentences(text), name: Self.name(text))
        }
        return .prose(try TextFile.whole(text), window: window, name: Self.name(text))
    }

    private static func name(_ path: String) -> String {
        path == "-" ? "standard input" : URL(fileURLWithPath: path).lastPathComponent
    }
}
