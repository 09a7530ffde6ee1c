import Analysis
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
    /// Of encoders.
    private let embeddings: Matrix
    /// Of causal models: the scores of each sequence.
    private let scores: SpilledStates?
    /// Passes side by side at most.
    private let mostThreads: Int

    /// Runs the original once and keeps its outputs.
    /// - Parameters:
    ///   - folder: where outputs that take much memory are kept in a file; nil keeps them in memory.
    ///   - mostThreads: passes side by side at most, here and later.
    /// - Throws: `TransformersError`, `ModelFileError.notWritable`.
    public init(
        original: any TransformerModel, sequences: [[Int]], context: ExecutionContext, folder: URL? = nil,
        mostThreads: Int = .max
    ) throws {
        self.mostThreads = mostThreads
        let context = ExecutionContext(threads: min(context.threads, mostThreads))
        guard let causal = original as? any CausalModel else {
            self.sequences = sequences
            scores = nil
            embeddings = try (original as? any EncoderModel)?.embed(sequences, context: context)
                ?? Matrix(rows: 0, columns: 0)
            return
        }
        var room = Self.memoryLimit / 4 / max(1, causal.vocabularySize)
        var kept = Array(
            sequences.prefix { sequence in
                room -= sequence.count
                return room >= 0
            })
        if kept.isEmpty, let first = sequences.first { kept = [first] }
        self.sequences = kept
        embeddings = Matrix(rows: 0, columns: 0)
        let scores = try SpilledStates(rows: kept.map(\.count), columns: causal.vocabularySize, folder: folder)
        for first in stride(from: 0, to: kept.count, by: context.threads) {
            let part = Array(kept[first..<min(kept.count, first + context.threads)])
            let found = try context.parallelMap(part.count) { try causal.logits(part[$0], context: .serial) }
            for (index, matrix) in found.enumerated() { try scores.set(matrix, of: first + index) }
        }
        self.scores = scores
    }

    /// - Throws: `TransformersError`, `ModelFileError.notReadable`.
    public func callAsFunction(_ model: any TransformerModel, context: ExecutionContext) throws -> Double {
        let context = ExecutionContext(threads: min(context.threads, mostThreads))
        var sum = 0.0
        if let scores, let causal = model as? any CausalModel {
            let sums = try context.parallelMap(sequences.count) { index in
                let changed = try causal.logits(sequences[index], context: .serial)
                var sum = 0.0
                try scores.forEachRow(of: index) { row, original in
                    sum += LogProbabilities.divergence(of: changed.row(row), from: original)
                }
                return sum
            }
            sum = sums.reduce(0, +)
        } else if let encoder = model as? any EncoderModel {
            let changed = try encoder.embed(sequences, context: context)
            sum = (0..<embeddings.rows).reduce(0) { $0 + Self.angle(embeddings.row($1), changed.row($1)) }
        }
        let count = scores == nil ? embeddings.rows : sequences.reduce(0) { $0 + $1.count }
        return count > 0 ? sum / Double(count) : 0
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
