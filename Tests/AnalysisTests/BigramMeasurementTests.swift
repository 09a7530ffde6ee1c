import Analysis
import Foundation
import Tensors
import Testing

/// Perplexity and divergence against values worked out by hand.
@Suite struct BigramMeasurementTests {
    private let context = ExecutionContext(threads: 2)
    /// After 0: probabilities 1/2, 1/4, 1/4. After 1: 1/8, 3/4, 1/8. After 2: a third each.
    private let model = BigramModel(rows: [
        [log(0.5), log(0.25), log(0.25)], [log(0.125), log(0.75), log(0.125)], [7, 7, 7],
    ])

    @Test func perplexityOfThreeWindows() throws {
        // Windows 0 1 1 | 2 0 0 | 1 0, losses log 4 + log 4/3 | log 3 + log 2 | log 8.
        let result = try Perplexity.measure(
            model, tokens: [0, 1, 1, 2, 0, 0, 1, 0], windowSize: 3, byteCount: { 2 * $0.count },
            context: context)
        let losses = [log(16 / 3.0), log(6), log(8)]
        let mean = losses.reduce(0, +) / 5
        #expect(abs(result.negativeLogLikelihood - mean) < 1e-6)
        #expect(abs(result.perplexity - pow(256, 0.2)) < 1e-5)
        #expect(result.scoredTokens == 5)
        #expect(result.scoredBytes == 10)
        #expect(abs(try #require(result.bitsPerByte) - 8 / 10.0) < 1e-6)
        #expect(result.windows == 3)
        let residuals = zip(losses, [2.0, 2, 1]).map { ($0 - mean * $1) * ($0 - mean * $1) }
        let error = (residuals.reduce(0, +) * 3 / 2).squareRoot() / 5
        #expect(abs(result.standardError - error) < 1e-6)
        #expect(abs(result.perplexityStandardError - error * result.perplexity) < 1e-6)
    }

    @Test func aLastWindowOfOneTokenIsDropped() throws {
        let result = try Perplexity.measure(model, tokens: [0, 1, 2], windowSize: 2, context: context)
        #expect(result.windows == 1)
        #expect(result.scoredTokens == 1)
        #expect(result.bitsPerByte == nil)
        #expect(result.standardError == 0)
    }

    @Test func divergenceFromAReference() throws {
        // After 0 the other model says 1/4, 1/2, 1/4; else it is the same.
        var rows = model.rows
        rows[0] = [log(0.25), log(0.5), log(0.25)]
        let other = BigramModel(rows: rows)
        let result = try CausalFidelity.measure(
            other, reference: model, tokens: [0, 1, 2, 1, 0, 0, 1, 1], windowSize: 4, context: context)
        // 1/2 log 2 + 1/4 log 1/2 + 0 = 1/4 log 2, at the token 0: once in the first window, twice in the second.
        let once = 0.25 * log(2)
        #expect(result.tokens == 6)
        #expect(abs(result.meanDivergence - once * 3 / 6) < 1e-6)
        #expect(abs(result.medianDivergence - once / 2) < 1e-6)
        #expect(abs(result.quantile99Divergence - once) < 1e-6)
        #expect(abs(result.topOneAgreement - 0.5) < 1e-12)
        // Window sums differ by `once` from each other: residuals of once / 2 each.
        let error = (2 * once * once / 4 * 2).squareRoot() / 6
        #expect(abs(result.meanDivergenceStandardError - error) < 1e-6)
    }

    @Test func perplexitiesOfBothComeWithTheDivergence() throws {
        var rows = model.rows
        rows[0] = [log(0.25), log(0.5), log(0.25)]
        let other = BigramModel(rows: rows)
        let tokens = [0, 1, 2, 1, 0, 0, 1, 1, 2, 0]
        let result = try CausalFidelity.measure(other, reference: model, tokens: tokens, windowSize: 4, context: context)
        let own = try Perplexity.measure(other, tokens: tokens, windowSize: 4, context: context)
        let wanted = try Perplexity.measure(model, tokens: tokens, windowSize: 4, context: context)
        #expect(abs(result.perplexity - own.perplexity) < 1e-9)
        #expect(abs(result.perplexityStandardError - own.perplexityStandardError) < 1e-9)
        #expect(abs(result.referencePerplexity - wanted.perplexity) < 1e-9)
        #expect(abs(result.referencePerplexityStandardError - wanted.perplexityStandardError) < 1e-9)
    }

    @Test func quantilesHaveErrorsWhereWindowsDiffer() throws {
        var rows = model.rows
        rows[0] = [log(0.25), log(0.5), log(0.25)]
        let other = BigramModel(rows: rows)
        // Windows that are all alike tell nothing of chance.
        let alike = try CausalFidelity.measure(
            other, reference: model, tokens: [0, 1, 0, 1, 0, 1, 0, 1], windowSize: 2, context: context)
        #expect(alike.quantile95DivergenceStandardError < 1e-12 && alike.medianDivergenceStandardError < 1e-12)
        #expect(abs(alike.quantile95Divergence - 0.25 * log(2)) < 1e-6)
        // Half of the four windows diverge. The median of four drawn ones is 0 where three of them do not, in 5 draws of
        // 16; the 99 % quantile where none does, in one of 16: deviations of 0.46 and 0.24.
        let mixed = try CausalFidelity.measure(
            other, reference: model, tokens: [0, 1, 1, 1, 0, 1, 1, 1], windowSize: 2, context: context)
        let all = 0.25 * log(2)
        #expect(abs(mixed.medianDivergence - all / 2) < 1e-6)
        #expect(mixed.medianDivergenceStandardError > 0.35 * all && mixed.medianDivergenceStandardError < 0.55 * all)
        #expect(mixed.quantile99DivergenceStandardError > 0.1 * all && mixed.quantile99DivergenceStandardError < 0.4 * all)
        // The draws are always the same.
        let again = try CausalFidelity.measure(
            other, reference: model, tokens: [0, 1, 1, 1, 0, 1, 1, 1], windowSize: 2, context: .serial)
        #expect(again == mixed)
    }

    @Test func impossibleTokensAndBrokenModels() throws {
        let certain = BigramModel(rows: Array(repeating: [0, -.infinity, -.infinity], count: 3))
        let result = try CausalFidelity.measure(
            certain, reference: certain, tokens: [0, 1, 2], windowSize: 3, context: context)
        #expect(result.meanDivergence == 0)
        #expect(throws: AnalysisError.notFinite(what: "the model's log likelihoods")) {
            try Perplexity.measure(certain, tokens: [0, 1], windowSize: 2, context: context)
        }
        let broken = BigramModel(rows: Array(repeating: [.nan, 0, 0], count: 3))
        #expect(throws: AnalysisError.notFinite(what: "the divergences")) {
            try CausalFidelity.measure(
                broken, reference: model, tokens: [0, 1, 2], windowSize: 3, context: context)
        }
        let larger = BigramModel(rows: Array(repeating: [0, 0, 0, 0], count: 4))
        #expect(
            throws: AnalysisError.shapeMismatch(
                what: "vocabulary", expected: "3 tokens as in the reference", got: "4")
        ) {
            try CausalFidelity.measure(
                larger, reference: model, tokens: [0, 1, 2], windowSize: 3, context: context)
        }
    }
}
