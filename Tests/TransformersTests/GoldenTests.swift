import Foundation
import ModelFiles
import Tensors
import Testing
import Transformers

/// Against what Hugging Face transformers computed.
@Suite struct GoldenTests {
    @Test(.enabled(if: RealInputs.miniLM != nil && RealInputs.shared != nil, RealInputs.needsMiniLM))
    func embeddingsOfMiniLM() throws {
        let model = try LoadedModel.load(#require(RealInputs.miniLM))
        let golden = try RealInputs.json(#require(RealInputs.shared) + "/golden/minilm.json")
        let cases = try #require(golden["cases"]?.arrayValue)
        #expect(cases.count == 16)
        for entry in cases {
            let text = try #require(entry["text"]?.stringValue)
            #expect(model.tokens(text) == entry["ids"]?.integers)
            let embedding = try model.embed([text]).elements
            let expected = try #require(entry["embedding"]?.numbers)
            try #require(embedding.count == expected.count)
            #expect(zip(embedding, expected).map { abs(Double($0) - $1) }.max() ?? 1 < 1e-5)
        }
    }

    @Test(.enabled(if: RealInputs.miniLM != nil, RealInputs.needsMiniLM))
    func sitesOfMiniLM() throws {
        let model = try LoadedModel.load(#require(RealInputs.miniLM))
        let sites = model.model.sites
        #expect(sites.count(where: { $0.role == .linear }) == 36)
        #expect(Set(sites.compactMap(\.input)).count == 24)
        #expect(sites.count(where: { $0.role == .embedding }) == 2)
        #expect(sites.allSatisfy { model.checkpoint.contains($0.name + ".weight") })
        #expect(
            model.unusedTensors == ["embeddings.position_ids", "pooler.dense.bias", "pooler.dense.weight"])
        #expect(model.model.maximumTokens == 256)
    }

    @Test(.enabled(if: RealInputs.shared != nil, RealInputs.needsShared))
    func logitsAndTextOfTinyLlama() throws {
        let model = try LoadedModel.load(RealInputs.tinyLlama)
        let causal = try model.causal
        let golden = try RealInputs.json(#require(RealInputs.shared) + "/golden/tiny-llama.json")
        for entry in try #require(golden["cases"]?.arrayValue) {
            let text = try #require(entry["text"]?.stringValue)
            let ids = model.tokenizer.encode(text)
            #expect(ids == entry["ids"]?.integers)
            guard !ids.isEmpty else { continue }
            let logits = try causal.logits(ids, context: ExecutionContext())
            let last = (0..<16).map { Double(logits[ids.count - 1, $0]) }
            let expected = try #require(entry["last_logits_first16"]?.numbers)
            #expect(zip(last, expected).map { abs($0 - $1) }.max() ?? 1 < 1e-4)
        }
        for entry in try #require(golden["greedy"]?.arrayValue) {
            let prompt = try #require(entry["prompt"]?.stringValue)
            let expected = try #require(entry["greedy_ids"]?.integers)
            let options = GenerationOptions(maximumTokens: expected.count)
            var text = prompt
            let result = try model.generate(prompt, options: options) { part in
                text += part
                return true
            }
            #expect(result.tokens == expected)
            #expect(text == entry["text"]?.stringValue)
        }
    }
}
