import Analysis
import LinearAlgebra
import Tensors
import Transformers

/// How far a changed model's outputs are from the original's on fixed token sequences: one number that can be
/// compared between changes of different matrices.
///
/// Encoders: mean of 1 - cosine between a sentence's two embeddings, plus how much the sentences' neighbourhoods
/// change (`NeighbourDivergence`). Causal models: mean Kullback-Leibler divergence, in nats, from the original's
/// next-token distribution to the changed model's. All grow with the square of a small change.
public struct OutputDistance: Sendable {
    /// Bytes of reference outputs kept at most; longer lists of sequences are cut.
    static let memoryLimit = 256 << 20
    /// Where many distances are measured: tokens of the sequences looked at, at most but for one sequence.
    static let sampleTokens = 2048

    private let sequences: [[Int]]
    private let reference: Reference

    private enum Reference: Sendable {
        case embeddings(Matrix, NeighbourDivergence)
        /// Of each sequence, tokens x vocabulary.
        case scores([Matrix])
        /// A model of neither kind has no output to compare.
        case none
    }

    /// Runs the original once and keeps its outputs.
    /// - Throws: `TransformersError`.
    public init(original: any TransformerModel, sequences: [[Int]], context: ExecutionContext) throws {
        var kept = sequences
        switch original {
        case let encoder as any EncoderModel:
            let embeddings = try encoder.embed(sequences, context: context)
            reference = .embeddings(embeddings, NeighbourDivergence(embeddings))
        case let causal as any CausalModel:
            var room = Self.memoryLimit / 4 / max(1, causal.vocabularySize)
            kept = Array(
                sequences.prefix { sequence in
                    room -= sequence.count
                    return room >= 0
                })
            if kept.isEmpty, let first = sequences.first { kept = [first] }
            let used = kept
            reference = .scores(
                try context.parallelMap(used.count) { index in try causal.logits(used[index], context: .serial) })
        default:
            reference = .none
        }
        self.sequences = kept
    }

    private init(sequences: [[Int]], reference: Reference) {
        self.sequences = sequences
        self.reference = reference
    }

    /// The distance over some of the sequences, evenly spread: `sampleTokens` tokens.
    var sample: OutputDistance {
        let chosen = Self.sample(of: sequences)
        let part: Reference
        switch reference {
        case .embeddings(let embeddings, _):
            let rows = embeddings.selecting(rows: chosen)
            part = .embeddings(rows, NeighbourDivergence(rows))
        case .scores(let scores): part = .scores(chosen.map { scores[$0] })
        case .none: part = .none
        }
        return OutputDistance(sequences: chosen.map { sequences[$0] }, reference: part)
    }

    /// Which of the sequences a sample holds: evenly spaced.
    static func sample(of sequences: [[Int]]) -> [Int] {
        let tokens = sequences.reduce(0) { $0 + $1.count }
        guard tokens > sampleTokens, sequences.count > 1 else { return Array(sequences.indices) }
        let count = max(1, min(sequences.count, sequences.count * sampleTokens / tokens))
        return (0..<count).map { $0 * sequences.count / count }
    }

    /// - Throws: `TransformersError`.
    public func callAsFunction(_ model: any TransformerModel, context: ExecutionContext) throws -> Double {
        switch reference {
        case .embeddings(let original, let neighbours):
            guard let encoder = model as? any EncoderModel, original.rows > 0 else { return 0 }
            let embeddings = try encoder.embed(sequences, context: context)
            let angles = (0..<original.rows).reduce(0) { $0 + Self.angle(original.row($1), embeddings.row($1)) }
            return angles / Double(original.rows) + neighbours(embeddings)
        case .scores(let scores):
            guard let causal = model as? any CausalModel else { return 0 }
            let sums = try context.parallelMap(sequences.count) { index in
                let original = scores[index]
                let changed = try causal.logits(sequences[index], context: .serial)
                return (0..<original.rows).reduce(0) {
                    $0 + LogProbabilities.divergence(of: changed.row($1), from: original.row($1))
                }
            }
            let count = scores.reduce(0) { $0 + $1.rows }
            return count > 0 ? sums.reduce(0, +) / Double(count) : 0
        case .none:
            return 0
        }
    }

    private static func angle(_ left: ArraySlice<Float>, _ right: ArraySlice<Float>) -> Double {
        // Not a number where an embedding is none.
        cosine(left, right).map { $0 > 1 ? 0 : 1 - $0 } ?? 1
    }

    /// Between two vectors; nil where one is zero.
    static func cosine(_ left: ArraySlice<Float>, _ right: ArraySlice<Float>) -> Double? {
        var (product, leftNorm, rightNorm) = (0.0, 0.0, 0.0)
        for (a, b) in zip(left, right) {
            product += Double(a) * Double(b)
            leftNorm += Double(a) * Double(a)
            rightNorm += Double(b) * Double(b)
        }
        guard leftNorm != 0, rightNorm != 0 else { return nil }
        return product / (leftNorm * rightNorm).squareRoot()
    }
}

extension Matrix {
    /// The given rows, in order.
    fileprivate func selecting(rows chosen: [Int]) -> Matrix {
        Matrix(rows: chosen.count, columns: columns) { self[chosen[$0], $1] }
    }
}
