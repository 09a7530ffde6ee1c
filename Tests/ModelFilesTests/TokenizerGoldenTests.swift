import Foundation
import ModelFiles
import Testing

@Suite struct TokenizerGoldenTests {
    static let names = [
        "wordpiece", "wordpiece-cased", "wordpiece-accents", "wordpiece-uncleaned", "tiny-llama", "llama3", "llama3-merges",
        "llama3-digits", "llama3-individual", "llama3-numbers", "characters", "characters-unknown", "characters-fused", "bytes-nfc", "bytes-nfd", "bytes-nfkc", "bytes-nfkd",
        "bytes-lowercase", "bytes-stripaccents", "bytes-strip", "bytes-added", "bytes-added-prefix",
        "characters-metaspace-always", "characters-metaspace-first", "characters-metaspace-never", "characters-metaspace-first-whole",
    ]

    @Test(arguments: names) func matchesHuggingFace(name: String) throws { try check(try TokenizerGolden(name)) }

    @Test(.enabled(if: TokenizerTestFiles.miniLM != nil, "MiniLM is not here: set TESSERA_MINILM or run make demo"))
    func matchesHuggingFaceOnMiniLM() throws { try check(try TokenizerGolden("minilm")) }

    private func check(_ golden: TokenizerGolden) throws {
        let tokenizer = golden.tokenizer
        #expect(tokenizer.vocabularySize == golden.vocabularySize)
        for item in golden.cases {
            let ids = tokenizer.encode(item.text, addSpecialTokens: golden.addSpecialTokens)
            #expect(ids == item.ids, "\(item.text.debugDescription)")
            let decoded = tokenizer.decode(item.ids)
            #expect(Array(decoded.utf8) == Array(item.decoded.utf8), "decoding \(item.ids)")
            let whole = tokenizer.decode(item.ids, skipSpecialTokens: false)
            #expect(Array(whole.utf8) == Array(item.decodedWithSpecial.utf8), "decoding \(item.ids) with special tokens")
        }
        guard !golden.sweep.isEmpty else { return }
        let texts = try UnicodeSweep().texts
        #expect(texts.count == golden.sweep.count)
        for (text, digest) in zip(texts, golden.sweep) {
            let first = text.unicodeScalars.dropFirst().first.map { String($0.value, radix: 16) } ?? ""
            #expect(UnicodeSweep.digest(tokenizer.encode(text, addSpecialTokens: false)) == digest, "the run at U+\(first)")
        }
    }

    @Test(
        .enabled(
            if: TokenizerTestFiles.shared != nil && TokenizerTestFiles.miniLM != nil,
            "shared/golden or MiniLM is not here: set TESSERA_DATA and TESSERA_MINILM"))
    func matchesSharedMiniLM() throws {
        let golden = try sharedGolden("minilm.json")
        let tokenizer = try Tokenizer.load(from: try #require(TokenizerTestFiles.miniLM))
        let maximum = try #require(golden["max_tokens"]?.intValue)
        for item in try #require(golden["cases"]?.arrayValue) {
            let text = try #require(item["text"]?.stringValue)
            let ids = try #require(item["ids"]?.arrayValue).compactMap(\.intValue)
            #expect(tokenizer.encode(text, maximumLength: maximum) == ids, "\(text.debugDescription)")
        }
    }

    @Test(.enabled(if: TokenizerTestFiles.shared != nil, "shared/golden is not here: set TESSERA_DATA"))
    func matchesSharedTinyLlama() throws {
        let golden = try sharedGolden("tiny-llama.json")
        let tokenizer = try Tokenizer.load(from: TokenizerTestFiles.tinyLlama)
        for item in try #require(golden["cases"]?.arrayValue) {
            let text = try #require(item["text"]?.stringValue)
            let ids = try #require(item["ids"]?.arrayValue).compactMap(\.intValue)
            #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
            #expect(tokenizer.decode(ids, skipSpecialTokens: false) == item["decoded"]?.stringValue)
        }
        for item in try #require(golden["greedy"]?.arrayValue) {
            let ids = try #require(item["greedy_ids"]?.arrayValue).compactMap(\.intValue)
            let prompt = try #require(item["prompt"]?.stringValue)
            #expect(tokenizer.decode(tokenizer.encode(prompt) + ids) == item["text"]?.stringValue)
        }
    }

    private func sharedGolden(_ name: String) throws -> JSONValue {
        let folder = try #require(TokenizerTestFiles.shared).appending(path: "golden")
        return try JSONValue.parse(Array(try Data(contentsOf: folder.appending(path: name))))
    }
}
