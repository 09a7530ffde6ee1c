import Foundation
import Tensors
import Transformers

/// The token sequences a compression looks at: most for the statistics, some held out for measuring.
public struct CalibrationText: Sendable, Equatable {
    public let calibration: [[Int]]
    public let heldOut: [[Int]]
    /// What it is, for reports: a file's name, or how it was sampled.
    public let origin: String

    public init(calibration: [[Int]], heldOut: [[Int]], origin: String) {
        self.calibration = calibration
        self.heldOut = heldOut
        self.origin = origin
    }

    /// Every this many-th sequence is held out.
    static let heldOutEvery = 8
    static let mostHeldOutSentences = 192
    static let mostHeldOutWindows = 24
    /// Shorter remainders of a text are dropped.
    static let shortestWindow = 16

    /// One sentence for each non-empty line.
    /// - Throws: `CompressionError.emptyCalibration`, `.calibrationTooShort` with fewer than 16 sentences.
    public static func sentences(_ text: String, origin: String, encode: (String) throws -> [Int]) throws -> Self {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
        guard !lines.isEmpty else { throw CompressionError.emptyCalibration(file: origin) }
        guard lines.count >= 2 * heldOutEvery else {
            throw CompressionError.calibrationTooShort(
                file: origin, expected: "at least \(2 * heldOutEvery) sentences, one on each line", got: "\(lines.count)")
        }
        return split(try lines.map(encode), most: mostHeldOutSentences, origin: origin)
    }

    /// Non-overlapping windows of `length` tokens of a text encoded as a whole.
    /// - Throws: `CompressionError.emptyCalibration`, `.calibrationTooShort` with fewer than two windows.
    public static func windows(_ tokens: [Int], length: Int, origin: String) throws -> Self {
        guard !tokens.isEmpty else { throw CompressionError.emptyCalibration(file: origin) }
        let windows = stride(from: 0, to: tokens.count, by: length).map { Array(tokens[$0..<min(tokens.count, $0 + length)]) }
            .filter { $0.count >= min(shortestWindow, length) }
        guard windows.count >= 2 else {
            throw CompressionError.calibrationTooShort(
                file: origin, expected: "at least two windows of \(length) tokens", got: "\(tokens.count) tokens")
        }
        return split(windows, most: mostHeldOutWindows, origin: origin)
    }

    /// One sequence for each image.
    /// - Throws: `CompressionError.calibrationTooShort` with fewer than 16 images.
    static func images(_ sequences: [[Int]], origin: String) throws -> Self {
        guard sequences.count >= 2 * heldOutEvery else {
            throw CompressionError.calibrationTooShort(
                file: origin, expected: "at least \(2 * heldOutEvery) images", got: "\(sequences.count)")
        }
        return split(sequences, most: mostHeldOutSentences, origin: origin)
    }

    /// Text sampled from the model itself at temperature 1, every sequence from its own stream of the seed.
    /// - Throws: `TransformersError`.
    public static func sampled(
        from model: any CausalModel, start: Int, sequences: Int = 64, length: Int, seed: UInt64,
        context: ExecutionContext, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> Self {
        let length = min(length, model.maximumPositions)
        var texts = Array(repeating: [start], count: sequences)
        var samplers = try (0..<sequences).map {
            try Sampler(temperature: 1, topP: 1, generator: SeededGenerator(seed: seed, stream: "calibration \($0)"))
        }
        var caches = (0..<sequences).map { _ in model.makeCache() }
        var next = texts
        for position in 1..<max(2, length) {
            let scores = try model.advance(next, caches: &caches, context: context)
            for index in texts.indices {
                let token = samplers[index].next(scores.elements[index * scores.columns..<(index + 1) * scores.columns])
                texts[index].append(token)
                next[index] = [token]
            }
            progress(position, length - 1)
        }
        return split(
            texts, most: mostHeldOutWindows,
            origin: "\(sequences) sequences of \(length) tokens sampled from the model itself at temperature 1, seed \(seed)")
    }

    /// The same with further sequences to measure on, as many at most as there are already.
    public func judged(also others: [[Int]], _ name: String) -> Self {
        let step = max(1, others.count / max(1, heldOut.count))
        let chosen = stride(from: 0, to: others.count, by: step).prefix(heldOut.count).map { others[$0] }
        return Self(
            calibration: calibration, heldOut: heldOut + chosen, origin: "\(origin) (and \(chosen.count) of \(name) to measure on)")
    }

    /// Adds the text's identity to a fingerprint.
    public func add(to fingerprint: inout Fingerprint) {
        for sequence in calibration + heldOut { sequence.withUnsafeBytes { fingerprint.add($0) } }
    }

    /// 32 hexadecimal digits.
    var fingerprint: String {
        var fingerprint = Fingerprint()
        add(to: &fingerprint)
        return fingerprint.text
    }

    private static func split(_ sequences: [[Int]], most: Int, origin: String) -> Self {
        var calibration: [[Int]] = []
        var heldOut: [[Int]] = []
        for (index, sequence) in sequences.enumerated() {
            if index % heldOutEvery == heldOutEvery - 1, heldOut.count < most {
                heldOut.append(sequence)
            } else {
                calibration.append(sequence)
            }
        }
        // Two sequences leave none at that stride; the last one then serves.
        if heldOut.isEmpty, calibration.count > 1 { heldOut.append(calibration.removeLast()) }
        return Self(calibration: calibration, heldOut: heldOut, origin: origin)
    }
}
