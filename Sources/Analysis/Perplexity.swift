import Foundation
import Tensors
import Transformers

/// How well a causal model predicts a text cut into consecutive windows; the first token of each window is context only.
public struct Perplexity: Sendable, Codable, Equatable {
    /// exp of the mean negative log likelihood per scored token.
    public let perplexity: Double
    /// By the delta method: perplexity x the standard error below.
    public let perplexityStandardError: Double
    /// Nats per scored token.
    public let negativeLogLikelihood: Double
    /// Of the mean above, windows taken as independent.
    public let standardError: Double
    /// Bits over the UTF-8 bytes of the scored tokens; nil when their bytes are not known.
    public let bitsPerByte: Double?
    public let scoredTokens: Int
    public let scoredBytes: Int?
    public let windows: Int
    public let windowSize: Int

    /// Scores `tokens` in windows of `windowSize`, several windows at once.
    ///
    /// - Parameters:
    ///   - windowSize: 2 to the model's positions; by default all of those.
    ///   - byteCount: UTF-8 bytes of the text of some tokens.
    /// - Throws: `AnalysisError.invalidWindow`, `.tooFew`, `.notFinite`; `TransformersError`; what `progress` throws.
    public static func measure(
        _ model: any CausalModel, tokens: [Int], windowSize: Int? = nil, byteCount: (([Int]) -> Int)? = nil,
        context: ExecutionContext, progress: MeasurementProgress = { _, _ in }
    ) throws -> Perplexity {
        let size = windowSize ?? model.maximumPositions
        guard size >= 2, size <= model.maximumPositions else {
            throw AnalysisError.invalidWindow(size: size, maximum: model.maximumPositions)
        }
        let windows = TextWindows.cut(tokens, size: size)
        guard !windows.isEmpty else {
            throw AnalysisError.tooFew(what: "tokens of text", needed: 2, got: tokens.count)
        }
        let losses = try context.parallelMap(windows.count, progress: progress) { index in
            try loss(model, windows[index])
        }
        let (mean, error) = Statistics.clustered(sums: losses, counts: windows.map { $0.count - 1 })
        guard mean.isFinite else { throw AnalysisError.notFinite(what: "the model's log likelihoods") }
        let scored = windows.reduce(0) { $0 + $1.count - 1 }
        let bytes = byteCount.map { count in windows.map { count(Array($0.dropFirst())) }.reduce(0, +) }
        let bits = mean * Double(scored) / log(2)
        return Perplexity(
            perplexity: exp(mean), perplexityStandardError: exp(mean) * error, negativeLogLikelihood: mean,
            standardError: error,
            bitsPerByte: bytes.flatMap { $0 > 0 ? bits / Double($0) : nil },
            scoredTokens: scored, scoredBytes: bytes, windows: windows.count, windowSize: size)
    }

    /// Sum of the negative log likelihoods of all tokens but the first.
    private static func loss(_ model: any CausalModel, _ window: [Int]) throws -> Double {
        let logits = try model.logits(window, context: .serial)
        var sum = 0.0
        for position in 0..<window.count - 1 {
            sum += LogProbabilities.loss(logits.row(position), token: window[position + 1])
        }
        return sum
    }
}
