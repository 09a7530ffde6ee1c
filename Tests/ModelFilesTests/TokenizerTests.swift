import Foundation
import ModelFiles
import Testing

@Suite struct TokenizerTests {
    private func wordPiece() throws -> Tokenizer {
        try Tokenizer.parse(TokenizerTestFiles.resource("wordpiece.json"), file: "wordpiece.json")
    }

    private func llama3() throws -> Tokenizer {
        try Tokenizer.parse(TokenizerTestFiles.resource("llama3.json"), file: "llama3.json")
    }

    @Test func truncationKeepsSpecialTokens() throws {
        let tokenizer = try wordPiece()
        let whole = tokenizer.encode("the old mill stood at the bend of the river")
        #expect(whole.first == 2 && whole.last == 3 && whole.count > 12)
        for maximum in 2...whole.count {
            let cut = tokenizer.encode("the old mill stood at the bend of the river", maximumLength: maximum)
            #expect(cut == whole.prefix(maximum - 1) + [3])
        }
        #expect(tokenizer.encode("the old mill", maximumLength: 100) == tokenizer.encode("the old mill"))
        #expect(tokenizer.encode("the old mill", maximumLength: 1) == [2, 3])
        #expect(tokenizer.encode("the old mill", maximumLength: 0, addSpecialTokens: false) == [])
        let bare = tokenizer.encode("the old mill", addSpecialTokens: false)
        #expect(tokenizer.encode("the old mill", maximumLength: 2, addSpecialTokens: false) == Array(bare.prefix(2)))
    }

    @Test func looksUpTokens() throws {
        let tokenizer = try wordPiece()
        #expect(tokenizer.tokenID("[SEP]") == 3 && tokenizer.token(3) == "[SEP]" && tokenizer.isSpecial(3))
        let the = try #require(tokenizer.tokenID("the"))
        #expect(tokenizer.token(the) == "the" && !tokenizer.isSpecial(the))
        #expect(tokenizer.tokenID("no such token") == nil && tokenizer.token(-1) == nil && tokenizer.token(1 << 40) == nil)
    }

    @Test func decodingSkipsWhatIsNoToken() throws {
        let tokenizer = try llama3()
        let ids = tokenizer.encode("the mill")
        #expect(tokenizer.decode([-7] + ids + [1 << 40, Int.max, Int.min]) == "the mill")
        #expect(tokenizer.decode([]) == "")
    }

    @Test func halfACharacterDecodesToTheReplacementCharacter() throws {
        let tokenizer = try llama3()
        let ids = tokenizer.encode("🙂", addSpecialTokens: false)
        #expect(ids.count == 4)
        for length in 1...3 { #expect(tokenizer.decode(Array(ids.prefix(length))) == "\u{FFFD}") }
        #expect(tokenizer.decode(ids) == "🙂")
        #expect(tokenizer.decode(Array(ids.suffix(3))) == "\u{FFFD}\u{FFFD}\u{FFFD}")
    }

    @Test(arguments: [
        "the old mill 🙂👍🏽 stood.", "日本語 naïve café", "", "a\u{FFFD}b\u{FFFD}", "[MASK] don't . stop !",
    ])
    func incrementalDecodingGivesTheSameText(text: String) throws {
        let characters = try Tokenizer.parse(TokenizerTestFiles.resource("characters.json"), file: "characters.json")
        for tokenizer in [try llama3(), try wordPiece(), characters] {
            let ids = tokenizer.encode(text)
            var decoder = IncrementalDecoder(tokenizer)
            var pieces = ids.map { decoder.append($0) }
            #expect(pieces.filter { !$0.contains("\u{FFFD}") }.count >= pieces.count - 2)
            pieces.append(decoder.finish())
            #expect(Array(pieces.joined().utf8) == Array(tokenizer.decode(ids).utf8))
            #expect(decoder.finish() == "")
        }
    }

    /// Bytes that never become a character do not pile up.
    @Test func incrementalDecodingOfBrokenBytesGoesOn() throws {
        let tokenizer = try llama3()
        let continuation = try #require(tokenizer.encode("🙂", addSpecialTokens: false).last)
        var decoder = IncrementalDecoder(tokenizer)
        let text = (0..<100).map { _ in decoder.append(continuation) }.joined()
        #expect(text.unicodeScalars.count >= 90 && text.unicodeScalars.allSatisfy { $0 == "\u{FFFD}" })
    }

    /// Finishes only when the cost per byte does not grow with the length of a word.
    @Test(arguments: ["a", "ab", "the mill ", "é🙂", " ", "'", "<|end_of_text|>", "\u{301}"])
    func encodesLongRunsOfOneWord(unit: String) throws {
        let text = String(repeating: unit, count: 120_000 / unit.utf8.count)
        for name in ["llama3.json", "characters.json", "wordpiece.json"] {
            let tokenizer = try Tokenizer.parse(TokenizerTestFiles.resource(name), file: name)
            let ids = tokenizer.encode(text)
            #expect(ids.count <= text.utf8.count + 3)
            if name == "llama3.json" { #expect(tokenizer.decode(ids, skipSpecialTokens: false) == "<|begin_of_text|>" + text) }
        }
    }

    @Test func loadsFromFileAndFolder() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tokenizer-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "tokenizer.json")
        let missing = TokenizerError.unreadable(file: file.path, reason: "no such file")
        #expect(throws: missing) { try Tokenizer.load(from: folder) }
        #expect(throws: missing) { try Tokenizer.load(from: file) }
        #expect(missing.description == "\(file.path): cannot be read: no such file")
        try Data(TokenizerTestFiles.resource("wordpiece.json")).write(to: file)
        #expect(try Tokenizer.load(from: folder).vocabularySize == 420)
        #expect(try Tokenizer.load(from: file).encode("the mill") == wordPiece().encode("the mill"))
    }
}
