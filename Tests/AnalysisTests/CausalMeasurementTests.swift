import Analysis
import Foundation
import Tensors
import Testing
import Transformers

@Suite struct CausalMeasurementTests {
    private let context = ExecutionContext(threads: 2)

    @Test(.enabled(if: RealInputs.shared != nil, RealInputs.needsShared))
    func perplexityOfTinyLlama() throws {
        let model = try LoadedModel.load(RealInputs.tinyLlama)
        let text = try String(
            contentsOfFile: #require(RealInputs.shared) + "/data/lm/eval.txt", encoding: .utf8)
        let result = try model.perplexity(text, context: context)
        #expect(result.scoredTokens == 28574)
        #expect(abs(result.perplexity - 61.511) < 0.005 * 61.511)
        #expect(result.windows == 113)
        #expect(result.windowSize == 256)
        // The reference divides by the bytes of the whole file, which has 113 unscored tokens more.
        #expect(abs(try #require(result.bitsPerByte) - 1.3233) < 0.01)
        #expect(0.5...5 ~= result.perplexityStandardError)
    }

    @Test func aModelAgreesWithItself() throws {
        let model = try LoadedModel.load(RealInputs.tinyLlama)
        let text =
            "The people of the United States have built schools, roads and railways, and they mean to keep them."
        let result = try model.causalFidelity(to: model, text: text, windowSize: 16, context: context)
        #expect(result.meanDivergence == 0)
        #expect(result.quantile99Divergence == 0)
        #expect(result.topOneAgreement == 1)
        #expect(result.windows >= 2)
        #expect(result.meanDivergenceStandardError == 0)
    }

    @Test func aChangedModelDiverges() throws {
        let reference = try LoadedModel.load(RealInputs.tinyLlama)
        var changed = reference
        let site = "model.layers.0.mlp.down_proj"
        let shape = changed.model[site: site].shape
        changed.model[site: site] = ZeroMatrix.dense(shape)
        let text =
            "The people of the United States have built schools, roads and railways, and they mean to keep them."
        let result = try changed.causalFidelity(to: reference, text: text, windowSize: 16, context: context)
        #expect(result.meanDivergence > 0.01)
        #expect(result.medianDivergence > 0)
        #expect(result.quantile99Divergence >= result.medianDivergence)
        #expect(result.topOneAgreement < 1)
        #expect(result.meanDivergenceStandardError > 0)
    }

    @Test func windowsAreChecked() throws {
        let model = try LoadedModel.load(RealInputs.tinyLlama)
        #expect(throws: AnalysisError.invalidWindow(size: 257, maximum: 256)) {
            try model.perplexity("some text", windowSize: 257, context: context)
        }
        #expect(throws: AnalysisError.tooFew(what: "tokens of text", needed: 2, got: 0)) {
            try model.perplexity("", context: context)
        }
    }

    @Test func kindsAreChecked() throws {
        let model = try LoadedModel.load(RealInputs.tinyLlama)
        #expect {
            try model.similarity([SentencePair(first: "a", second: "b", score: 1)])
        } throws: { "\($0)".hasSuffix("Models/tiny-llama: expected an encoder, got 'llama'") }
    }

    @Test func progressIsToldInOrder() throws {
        let model = try LoadedModel.load(RealInputs.tinyLlama)
        var seen: [Int] = []
        _ = try model.perplexity(
            String(repeating: "one two three ", count: 40), windowSize: 8, context: context
        ) { done, total in
            seen.append(done)
            #expect(total >= done)
        }
        #expect(seen == seen.sorted())
        #expect(seen.count > 1)
    }
}
