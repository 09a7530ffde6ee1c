import Foundation
import Tensors
import Transformers

/// How far a causal model's predictions are from a reference model's on the same text: per token, the divergence
/// KL(reference || model) in nats, and how often both find the same token most likely.
public struct CausalFidelity: Sendable, Codable, Equatable {
    public let meanDivergence: Double
    /// Of the mean, windows taken as independent.
    public let meanDivergenceStandardError: Double
    public let medianDivergence: Double
    /// Of the quantiles, by drawing whole windows anew (bootstrap).
    public let medianDivergenceStandardError: Double
    /// 95 % of the tokens diverge less.
    public let quantile95Divergence: Double
    public let quantile95DivergenceStandardError: Double
    /// 99 % of the tokens diverge less.
    public let quantile99Divergence: Double
    public let quantile99DivergenceStandardError: Double
    /// Share of tokens, 0 to 1.
    public let topOneAgreement: Double
    public let topOneAgreementStandardError: Double
    /// Of both models on the same windows, the first token of each being context only.
    public let perplexity: Double
    public let perplexityStandardError: Double
    public let referencePerplexity: Double
    public let referencePerplexityStandardError: Double
    public let tokens: Int
    public let windows: Int
    public let windowSize: Int

    /// Compares the predictions at every position of consecutive windows of `tokens` but the last of each.
    /// Two forward passes per window, several windows at once.
    ///
    /// - Throws: `AnalysisError.invalidWindow`, `.tooFew`, `.shapeMismatch` when the vocabularies differ, `.notFinite`;
    ///   `TransformersError`; what `progress` throws.
    public static func measure(
        _ model: any CausalModel, reference: any CausalModel, tokens: [Int], windowSize: Int? = nil,
        context: ExecutionContext, progress: MeasurementProgress = { _, _ in }
    ) throws -> CausalFidelity {
        let size = windowSize ?? min(model.maximumPositions, reference.maximumPositions)
        let reference = try CausalReference(reference, tokens: tokens, windowSize: size, keptBytes: 0, context: context)
        return try measure(model, reference: reference, context: context, progress: progress)
    }

    /// The same with a reference that may have run already.
    /// - Throws: as above.
    public static func measure(
        _ model: any CausalModel, reference: CausalReference, context: ExecutionContext,
        progress: MeasurementProgress = { _, _ in }
    ) throws -> CausalFidelity {
        let (windows, size) = (reference.windows, reference.windowSize)
        guard model.vocabularySize == reference.model.vocabularySize else {
            throw AnalysisError.shapeMismatch(
                what: "vocabulary", expected: "\(reference.model.vocabularySize) tokens as in the reference",
                got: "\(model.vocabularySize)")
        }
        guard size <= model.maximumPositions else {
            throw AnalysisError.invalidWindow(size: size, maximum: model.maximumPositions)
        }
        let results = try context.parallelMap(windows.count, progress: progress) { index in
            try compare(model.logits(windows[index], context: .serial), reference.logits(index), windows[index])
        }

        let counts = windows.map { $0.count - 1 }
        let divergence = Statistics.clustered(
            sums: results.map { $0.divergences.reduce(0, +) }, counts: counts)
        let agreement = Statistics.clustered(sums: results.map { Double($0.agreements) }, counts: counts)
        let loss = Statistics.clustered(sums: results.map(\.loss), counts: counts)
        let referenceLoss = Statistics.clustered(sums: results.map(\.referenceLoss), counts: counts)
        guard divergence.mean.isFinite else { throw AnalysisError.notFinite(what: "the divergences") }
        let quantiles = Statistics.clusteredQuantiles(results.map(\.divergences), [0.5, 0.95, 0.99])
        return CausalFidelity(
            meanDivergence: divergence.mean, meanDivergenceStandardError: divergence.standardError,
            medianDivergence: quantiles[0].value, medianDivergenceStandardError: quantiles[0].standardError,
            quantile95Divergence: quantiles[1].value, quantile95DivergenceStandardError: quantiles[1].standardError,
            quantile99Divergence: quantiles[2].value, quantile99DivergenceStandardError: quantiles[2].standardError,
            topOneAgreement: agreement.mean, topOneAgreementStandardError: agreement.standardError,
            perplexity: exp(loss.mean), perplexityStandardError: exp(loss.mean) * loss.standardError,
            referencePerplexity: exp(referenceLoss.mean),
            referencePerplexityStandardError: exp(referenceLoss.mean) * referenceLoss.standardError,
            tokens: counts.reduce(0, +), windows: windows.count, windowSize: size)
    }

    private struct Comparison {
        var divergences: [Double] = []
        var agreements = 0
        var loss = 0.0
        var referenceLoss = 0.0
    }

    private static func compare(_ ours: Matrix, _ theirs: Matrix, _ window: [Int]) throws -> Comparison {
        var comparison = Comparison()
        for position in 0..<window.count - 1 {
            let (row, wanted) = (ours.row(position), theirs.row(position))
            if Sampler.greedy(row) == Sampler.greedy(wanted) { comparison.agreements += 1 }
            let found = LogProbabilities.comparison(of: row, with: wanted, token: window[position + 1])
            comparison.divergences.append(found.divergence)
            comparison.loss += found.loss
            comparison.referenceLoss += found.referenceLoss
        }
        return comparison
    }
}
