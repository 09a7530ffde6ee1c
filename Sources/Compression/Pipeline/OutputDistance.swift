import Analysis
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
    /// Encoders: the embeddings. Causal models: the scores of each sequence.
    private let reference: [Matrix]
    private let isEncoder: Bool

    /// Runs the original once and keeps its outputs.
    /// - Throws: `TransformersError`.
    public init(original: any TransformerModel, sequences: [[Int]], context: ExecutionContext) throws {
        var kept = sequences
        switch original {
        case let encoder as any EncoderModel:
            isEncoder = true
            reference = [try encoder.embed(sequences, context: context)]
        case let causal as any CausalModel:
            isEncoder = false
            var room = Self.memoryLimit / 4 / max(1, causal.vocabularySize)
            kept = Array(
                sequences.prefix { sequence in
                    room -= sequence.count
                    return room >= 0
                })
            if kept.isEmpty, let first = sequences.first { kept = [first] }
            let used = kept
            reference = try context.parallelMap(used.count) { index in
                try causal.logits(used[index], context: .serial)
            }
        default:
            isEncoder = true
            reference = []
        }
        self.sequences = kept
    }

    /// - Throws: `TransformersError`.
    public func callAsFunction(_ model: any TransformerModel, context: ExecutionContext) throws -> Double {
        let sums: [Double]
        if isEncoder, let encoder = model as? any EncoderModel {
            let embeddings = try encoder.embed(sequences, context: context)
            sums = reference.map { original in
                (0..<original.rows).reduce(0) { $0 + Self.angle(original.row($1), embeddings.row($1)) }
            }
        } else if let causal = model as? any CausalModel {
            sums = try context.parallelMap(sequences.count) { index in
                let original = reference[index]
                let changed = try causal.logits(sequences[index], context: .serial)
                return (0..<original.rows).reduce(0) {
                    $0 + LogProbabilities.divergence(of: changed.row($1), from: original.row($1))
                }
            }
        } else {
            return 0
        }
        let count = reference.reduce(0) { $0 + $1.rows }
        return count > 0 ? sums.reduce(0, +) / Double(count) : 0
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
}
