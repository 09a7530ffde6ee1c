import Analysis
import Foundation
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

    let sequences: [[Int]]
    private let reference: Reference
    /// Passes side by side at most.
    private let mostThreads: Int

    private enum Reference: Sendable {
        case embeddings(Matrix, NeighbourDivergence)
        /// Of all sequences, tokens x vocabulary each, and which of them are looked at.
        case scores(SpilledStates, of: [Int])
        /// A model of neither kind has no output to compare.
        case none
    }

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
        if let encoder = original as? any EncoderModel {
            let embeddings = try encoder.embed(sequences, context: context)
            self.sequences = sequences
            reference = .embeddings(embeddings, NeighbourDivergence(embeddings))
            return
        }
        guard let causal = original as? any CausalModel else {
            self.sequences = sequences
            reference = .none
            return
        }
        var room = Self.memoryLimit / 4 / max(1, causal.vocabularySize)
        var kept = Array(
            sequences.prefix { sequence in
                room -= sequence.count
                return room >= 0
            })
        if kept.isEmpty, let first = sequences.first { kept = [first] }
        let scores = try SpilledStates(rows: kept.map(\.count), columns: causal.vocabularySize, folder: folder)
        for first in stride(from: 0, to: kept.count, by: context.threads) {
            let part = Array(kept[first..<min(kept.count, first + context.threads)])
            let found = try context.parallelMap(part.count) { try causal.logits(part[$0], context: .serial) }
            for (index, matrix) in found.enumerated() { try scores.set(matrix, of: first + index) }
        }
        self.sequences = kept
        reference = .scores(scores, of: Array(kept.indices))
    }

    private init(sequences: [[Int]], reference: Reference, mostThreads: Int) {
        self.sequences = sequences
        self.reference = reference
        self.mostThreads = mostThreads
    }

    /// The distance over some of the sequences, evenly spread: `sampleTokens` tokens.
    var sample: OutputDistance { selecting(Self.sample(of: sequences)) }

    /// The distance over one of every `step` sequences; nil where that would leave fewer than two.
    func oneOf(every step: Int) -> OutputDistance? {
        guard sequences.count >= 2 * step else { return nil }
        return selecting(Array(stride(from: 0, to: sequences.count, by: step)))
    }

    private func selecting(_ chosen: [Int]) -> OutputDistance {
        let part: Reference
        switch reference {
        case .embeddings(let embeddings, _):
            let rows = embeddings.selecting(rows: chosen)
            part = .embeddings(rows, NeighbourDivergence(rows))
        case .scores(let scores, let indices): part = .scores(scores, of: chosen.map { indices[$0] })
        case .none: part = .none
        }
        return OutputDistance(sequences: chosen.map { sequences[$0] }, reference: part, mostThreads: mostThreads)
    }

    /// Which of the sequences a sample holds: evenly spaced.
    static func sample(of sequences: [[Int]]) -> [Int] {
        let tokens = sequences.reduce(0) { $0 + $1.count }
        guard tokens > sampleTokens, sequences.count > 1 else { return Array(sequences.indices) }
        let count = max(1, min(sequences.count, sequences.count * sampleTokens / tokens))
        return (0..<count).map { $0 * sequences.count / count }
    }

    /// - Throws: `TransformersError`, `ModelFileError.notReadable`.
    public func callAsFunction(_ model: any TransformerModel, context: ExecutionContext) throws -> Double {
        try self(model, from: nil, context: context)
    }

    /// - Parameter entry: what a block reads of the sequences in this model; nil runs it from the tokens.
    /// - Throws: as above.
    func callAsFunction(
        _ model: any TransformerModel, from entry: BlockEntry?, context: ExecutionContext
    ) throws -> Double {
        let context = ExecutionContext(threads: min(context.threads, mostThreads))
        switch reference {
        case .embeddings(let original, let neighbours):
            guard let encoder = model as? any EncoderModel, original.rows > 0 else { return 0 }
            let embeddings =
                try (encoder as? TransformerEncoder)?.embed(sequences, from: entry, context: context)
                ?? encoder.embed(sequences, context: context)
            let angles = (0..<original.rows).reduce(0) { $0 + Self.angle(original.row($1), embeddings.row($1)) }
            return angles / Double(original.rows) + neighbours(embeddings)
        case .scores(let scores, let indices):
            guard let causal = model as? any CausalModel else { return 0 }
            let sums = try context.parallelMap(sequences.count) { index in
                let changed =
                    try (causal as? CausalTransformer)?.logits(
                        sequences[index], from: entry?.selecting([index], of: sequences), context: .serial)
                    ?? causal.logits(sequences[index], context: .serial)
                var sum = 0.0
                try scores.forEachRow(of: indices[index]) { row, original in
                    sum += LogProbabilities.divergence(of: changed.row(row), from: original)
                }
                return sum
            }
            let count = sequences.reduce(0) { $0 + $1.count }
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
