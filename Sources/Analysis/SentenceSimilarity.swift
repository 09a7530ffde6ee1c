import Tensors
import Transformers

/// How well an encoder's cosine similarities order sentence pairs as people do (semantic textual similarity).
public struct SentenceSimilarity: Sendable, Codable, Equatable {
    /// Spearman's rank correlation with the human scores x 100.
    public let spearman: Double
    /// Of the correlation x 100: (1 - rho^2) sqrt(1.06 / (n - 3)) (Fieller, Hartley, Pearson 1957, carried back from
    /// Fisher's z).
    public let standardError: Double
    public let pairs: Int
    public let distinctSentences: Int

    /// From the embeddings of each pair's sentences, row for row.
    /// - Throws: `AnalysisError.shapeMismatch`, `.tooFew` for fewer than four pairs, `.notFinite`, also when one side never varies.
    public static func measure(
        first: Matrix, second: Matrix, scores: [Double], distinctSentences: Int
    ) throws -> SentenceSimilarity {
        guard first.rows == scores.count, second.rows == scores.count, first.columns == second.columns else {
            throw AnalysisError.shapeMismatch(
                what: "embeddings of pairs", expected: "\(scores.count) on each side",
                got: "\(first.rows) and \(second.rows)")
        }
        guard scores.count >= 4 else {
            throw AnalysisError.tooFew(what: "sentence pairs", needed: 4, got: scores.count)
        }
        let correlation = RankCorrelation.spearman(
            scores.indices.map { cosine(first.row($0), second.row($0)) }, scores)
        guard correlation.isFinite else { throw AnalysisError.notFinite(what: "the rank correlation") }
        let error = (1 - correlation * correlation) * (1.06 / Double(scores.count - 3)).squareRoot()
        return SentenceSimilarity(
            spearman: 100 * correlation, standardError: 100 * error, pairs: scores.count,
            distinctSentences: distinctSentences)
    }

    /// From the embeddings of distinct sentences, row for row, among which are all those of the pairs.
    /// - Throws: as above; `AnalysisError.shapeMismatch` when a pair's sentence is missing.
    public static func measure(
        _ pairs: [SentencePair], sentences: [String], embeddings: Matrix
    ) throws -> SentenceSimilarity {
        let place = Dictionary(
            zip(sentences.map { Array($0.utf8) }, 0..<embeddings.rows), uniquingKeysWith: { first, _ in first })
        let rows = { (sentence: (SentencePair) -> String) -> Matrix in
            let elements = pairs.flatMap { pair in
                place[Array(sentence(pair).utf8)].map { Array(embeddings.row($0)) } ?? []
            }
            guard elements.count == pairs.count * embeddings.columns else { return Matrix(rows: 0, columns: 0) }
            return Matrix(rows: pairs.count, columns: embeddings.columns, elements: elements)
        }
        return try measure(
            first: rows(\.first), second: rows(\.second), scores: pairs.map(\.score), distinctSentences: sentences.count)
    }

    private static func cosine(_ first: ArraySlice<Float>, _ second: ArraySlice<Float>) -> Double {
        var (product, firstSquares, secondSquares) = (0.0, 0.0, 0.0)
        for (a, b) in zip(first, second) {
            product += Double(a) * Double(b)
            firstSquares += Double(a) * Double(a)
            secondSquares += Double(b) * Double(b)
        }
        let lengths = (firstSquares * secondSquares).squareRoot()
        return lengths > 0 ? product / lengths : 0
    }
}
