import Analysis
import Foundation
import LinearAlgebra
import Tensors

/// How much an encoder's neighbourhoods change: the mean over sentences of the Kullback-Leibler divergence, in nats,
/// between two distributions over the other sentences, each the softmax of cosine / `temperature`.
///
/// What users of embeddings care about is which sentences are near each other; 1 - cosine of a sentence's two embeddings
/// is blind to that (all embeddings may turn together, or each by as much in a direction that no neighbour shares).
/// The divergence weighs a pair by how near it is, as ranks of nearest neighbours do, and grows with the square of a
/// small change. Similarity distributions as the target of distillation: SEED, arXiv 2101.04731.
public struct NeighbourDivergence: Sendable {
    /// By default: cosines of this much apart differ by a factor of e, so that about ten neighbours of a sentence among some
    /// hundred count.
    public static let temperature: Float = 0.05
    /// Sentences compared with each other at most; more are thinned out evenly.
    public static let mostSentences = 512

    private let temperature: Float
    private let chosen: [Int]
    private let scores: Matrix

    /// - Parameter reference: embeddings, sentences x dimension. Cost: `mostSentences`^2 x dimension at most, here and at
    ///   each call.
    public init(_ reference: Matrix, temperature: Float = NeighbourDivergence.temperature) {
        self.temperature = temperature
        let count = min(reference.rows, Self.mostSentences)
        chosen = (0..<count).map { $0 * reference.rows / count }
        scores = Self.scores(reference, chosen, temperature)
    }

    /// Of embeddings of the same sentences; 0 for fewer than three, which have no choice of neighbours.
    public func callAsFunction(_ embeddings: Matrix) -> Double {
        guard chosen.count > 2 else { return 0 }
        let changed = Self.scores(embeddings, chosen, temperature)
        let sum = chosen.indices.reduce(0.0) {
            $0 + LogProbabilities.divergence(of: changed.row($1), from: scores.row($1))
        }
        return sum / Double(chosen.count)
    }

    /// Cosines over the temperature between the chosen rows; a row is no neighbour of itself.
    private static func scores(_ embeddings: Matrix, _ chosen: [Int], _ temperature: Float) -> Matrix {
        var normal = Matrix(rows: chosen.count, columns: embeddings.columns)
        for (index, row) in chosen.enumerated() {
            let numbers = embeddings.row(row)
            let norm = Float(numbers.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
            let scale = norm > 0 ? 1 / norm : 0
            for (column, number) in numbers.enumerated() { normal[index, column] = number * scale }
        }
        var result = Matrix(rows: chosen.count, columns: chosen.count)
        result.withMutableView { result in
            normal.withView { multiply($0, $0, transposeB: true, alpha: 1 / temperature, into: result) }
        }
        for index in chosen.indices { result[index, index] = -.infinity }
        return result
    }
}
