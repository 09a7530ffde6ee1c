import Foundation
import Tensors
import Transformers

/// How far a changed model's outputs are from the original's on fixed token sequences: one number that can be
/// compared between changes of different matrices.
///
/// Encoders: mean of 1 - cosine between the embeddings. Causal models: mean Kullback-Leibler divergence, in nats,
/// from the original's next-token distribution to the changed model's. Both grow with the square of a small change.
public struct OutputDistance: Sendable {
    /// Bytes of reference outputs kept at most; longer lists of sequences are cut.
    static let memoryLimit = 256 << 20

    private let sequences: [[Int]]
    private let reference: [Matrix]
    private let isEncoder: Bool

    /// Runs the original once and keeps its outputs.
    /// - Throws: `TransformersError`.
    public init(original: any TransformerModel, sequences: [[Int]], context: ExecutionContext) throws {
        isEncoder = original is any EncoderModel
        var kept = sequences
        if let causal = original as? any CausalModel {
            var room = Self.memoryLimit / 4 / max(1, causal.vocabularySize)
            kept = sequences.prefix { sequence in
                room -= sequence.count
                return room >= 0
            }.map { $0 }
            if kept.isEmpty, let first = sequences.first { kept = [first] }
        }
        self.sequences = kept
        reference = try Self.outputs(original, kept, context)
    }

    /// - Throws: `TransformersError`.
    public func callAsFunction(_ model: any TransformerModel, context: ExecutionContext) throws -> Double {
        let outputs = try Self.outputs(model, sequences, context)
        var sum = 0.0
        var count = 0
        for (original, changed) in zip(reference, outputs) {
            for row in 0..<original.rows {
                let range = row * original.columns..<(row + 1) * original.columns
                sum += isEncoder
                    ? Self.angle(original.elements[range], changed.elements[range])
                    : Self.divergence(original.elements[range], changed.elements[range])
                count += 1
            }
        }
        return count > 0 ? sum / Double(count) : 0
    }

    private static func outputs(
        _ model: any TransformerModel, _ sequences: [[Int]], _ context: ExecutionContext
    ) throws -> [Matrix] {
        if let encoder = model as? any EncoderModel { return [try encoder.embed(sequences, context: context)] }
        guard let causal = model as? any CausalModel else { return [] }
        return try sequences.map { try causal.logits($0, context: context) }
    }

    private static func angle(_ left: ArraySlice<Float>, _ right: ArraySlice<Float>) -> Double {
        var (product, leftNorm, rightNorm) = (0.0, 0.0, 0.0)
        for (a, b) in zip(left, right) {
            product += Double(a) * Double(b)
            leftNorm += Double(a) * Double(a)
            rightNorm += Double(b) * Double(b)
        }
        guard leftNorm > 0, rightNorm > 0 else { return 1 }
        return max(0, 1 - product / (leftNorm * rightNorm).squareRoot())
    }

    private static func divergence(_ left: ArraySlice<Float>, _ right: ArraySlice<Float>) -> Double {
        func logNormalizer(_ scores: ArraySlice<Float>) -> Double {
            let peak = Double(scores.max() ?? 0)
            return peak + log(scores.reduce(0.0) { $0 + exp(Double($1) - peak) })
        }
        let (leftNormalizer, rightNormalizer) = (logNormalizer(left), logNormalizer(right))
        var sum = 0.0
        for (a, b) in zip(left, right) {
            let logProbability = Double(a) - leftNormalizer
            sum += exp(logProbability) * (logProbability - (Double(b) - rightNormalizer))
        }
        return max(0, sum)
    }
}
