import Tensors
import Transformers

/// How far a causal model's predictions are from a reference model's on the same text: per token, the divergence
/// KL(reference || model) in nats, and how often both find the same token most likely.
public struct CausalFidelity: Sendable, Codable, Equatable {
    public let meanDivergence: Double
    /// Of the mean, windows taken as independent.
    public let meanDivergenceStandardError: Double
    public let medianDivergence: Double
    /// 99 % of the tokens diverge less.
    public let quantile99Divergence: Double
    /// Share of tokens, 0 to 1.
    public let topOneAgreement: Double
    public let topOneAgreementStandardError: Double
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
        guard model.vocabularySize == reference.vocabularySize else {
            throw AnalysisError.shapeMismatch(
                what: "vocabulary", expected: "\(reference.vocabularySize) tokens as in the reference",
                got: "\(model.vocabularySize)")
        }
        let maximum = min(model.maximumPositions, reference.maximumPositions)
        let size = windowSize ?? maximum
        guard size >= 2, size <= maximum else {
            throw AnalysisError.invalidWindow(size: size, maximum: maximum)
        }
        let windows = TextWindows.cut(tokens, size: size)
        guard !windows.isEmpty else {
            throw AnalysisError.tooFew(what: "tokens of text", needed: 2, got: tokens.count)
        }
        let results = try context.parallelMap(windows.count, progress: progress) { index in
            try compare(model, reference, windows[index])
        }

        let counts = windows.map { $0.count - 1 }
        let divergence = Statistics.clustered(
            sums: results.map { $0.divergences.reduce(0, +) }, counts: counts)
        let agreement = Statistics.clustered(sums: results.map { Double($0.agreements) }, counts: counts)
        guard divergence.mean.isFinite else { throw AnalysisError.notFinite(what: "the divergences") }
        let sorted = results.flatMap(\.divergences).sorted()
        return CausalFidelity(
            meanDivergence: divergence.mean, meanDivergenceStandardError: divergence.standardError,
            medianDivergence: Statistics.quantile(sorted, 0.5),
            quantile99Divergence: Statistics.quantile(sorted, 0.99),
            topOneAgreement: agreement.mean, topOneAgreementStandardError: agreement.standardError,
            tokens: sorted.count, windows: windows.count, windowSize: size)
    }

    private static func compare(
        _ model: any CausalModel, _ reference: any CausalModel, _ window: [Int]
    ) throws -> (divergences: [Double], agreements: Int) {
        let (ours, theirs) = (
            try model.logits(window, context: .serial), try reference.logits(window, context: .serial)
        )
        var divergences: [Double] = []
        var agreements = 0
        for position in 0..<window.count - 1 {
            let (row, wanted) = (ours.row(position), theirs.row(position))
            if Sampler.greedy(row) == Sampler.greedy(wanted) { agreements += 1 }
            divergences.append(LogProbabilities.divergence(of: row, from: wanted))
        }
        return (divergences, agreements)
    }
}
