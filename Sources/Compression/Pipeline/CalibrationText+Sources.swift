import Foundation
import Tensors
import Transformers

/// Where calibration sequences come from.
public enum CalibrationSource: Sendable, Equatable {
    case file(String)
    /// Sampled from the model itself; for an encoder, the sentences that ship.
    case own

    /// As it is written on a command line and in plans.
    public init(_ text: String) { self = text == "self" ? .own : .file(text) }

    public var text: String {
        switch self {
        case .file(let path): path
        case .own: "self"
        }
    }
}

extension CalibrationText {
    /// The sequences of a source, in the model's tokens.
    /// - Parameter widened: whether a file for an encoder is judged on sentences that ship as well.
    /// - Throws: `CompressionError`, `TensorError.fileNotReadable`, `TransformersError`.
    public static func read(
        _ source: CalibrationSource, for loaded: LoadedModel, seed: UInt64, widened: Bool = true,
        context: ExecutionContext,
        progress: @escaping @Sendable (CompressionProgress) -> Void = { _ in }
    ) throws -> Self {
        if loaded.model is any ImageModel { return try .images(loaded.imageSequences, source) }
        switch source {
        case .file(let path):
            let storage = try TensorStorage(mapping: path)
            guard let text = storage.withBytes({ String(validating: $0, as: UTF8.self) }) else {
                throw CompressionError.calibrationNotText(file: path)
            }
            let origin = URL(fileURLWithPath: path).lastPathComponent
            guard loaded.model is any EncoderModel else {
                return try .windows(
                    loaded.tokenizer.encode(text, addSpecialTokens: false), length: min(2048, loaded.model.maximumPositions),
                    origin: origin)
            }
            let own = try CalibrationText.sentences(text, origin: origin) { loaded.tokens($0) }
            guard widened else { return own }
            // A calibration file is narrower than what an encoder will meet: damage is judged on other text as well.
            return own.judged(also: try shipped(for: loaded).calibration, "the sentences that ship")
        case .own:
            guard let causal = loaded.model as? any CausalModel else { return try shipped(for: loaded) }
            return try .sampled(
                from: causal, start: try loaded.configuration.integers("bos_token_id").first ?? loaded.stopTokens.min() ?? 0,
                length: min(256, causal.maximumPositions), seed: seed, context: context
            ) { progress(CompressionProgress(stage: "sampling calibration text", done: $0, total: $1)) }
        }
    }

    private static func images(_ sequences: [[Int]], _ source: CalibrationSource) throws -> Self {
        guard case .file(let path) = source, !sequences.isEmpty else {
            throw CompressionError.missingCalibration(reason: "a model of images needs some: --calibration FILE.npy")
        }
        return try images(sequences, origin: URL(fileURLWithPath: path).lastPathComponent)
    }

    private static func shipped(for loaded: LoadedModel) throws -> Self {
        try sentences(ShippedSentences.text, origin: "the sentences that ship with tessera") { loaded.tokens($0) }
    }
}

extension LoadedModel {
    /// Hands a model of images the ones that it is calibrated on; other models read their text later.
    /// - Throws: as `take(images:)`.
    mutating func take(_ calibration: CalibrationSource?) throws {
        guard model is any ImageModel, case .file(let images)? = calibration else { return }
        try take(images: images)
    }
}
