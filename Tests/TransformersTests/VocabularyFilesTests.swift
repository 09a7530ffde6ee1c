import Foundation
import ModelFiles
import Testing

/// Byte-level tokenizers in the files that there were before `tokenizer.json`.
@Suite struct VocabularyFilesTests {
    /// Writes a tokenizer's vocabulary and merges as two files, with settings of their own.
    private func withFiles<Value>(
        of name: String, _ settings: [String: JSONValue], _ body: (URL) throws -> Value
    ) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let whole = try RealInputs.json(SmallFolders.path(name) + "/tokenizer.json")
        let vocabulary = try #require(whole["model"]?["vocab"])
        try Data(vocabulary.serialized()).write(to: folder.appendingPathComponent("vocab.json"))
        let merges = try #require(whole["model"]?["merges"]?.arrayValue).map { merge in
            merge.stringValue ?? (merge.arrayValue ?? []).compactMap(\.stringValue).joined(separator: " ")
        }
        try Data((["#version: 0.2"] + merges).joined(separator: "\n").utf8).write(
            to: folder.appendingPathComponent("merges.txt"))
        for (file, value) in settings { try Data(value.serialized()).write(to: folder.appendingPathComponent(file)) }
        return try body(folder)
    }

    private func check(_ name: String, _ settings: [String: JSONValue]) throws {
        try withFiles(of: name, settings) { folder in
            let tokenizer = try Tokenizer.load(from: folder)
            for entry in try #require(try SmallFolders.golden(name)["texts"]?.arrayValue) {
                let text = try #require(entry["text"]?.stringValue)
                #expect(tokenizer.encode(text) == entry["ids"]?.integers, "\(text.debugDescription)")
            }
        }
    }

    @Test func ofOPT() throws {
        try check(
            "opt",
            [
                "tokenizer_config.json": [
                    "add_bos_token": true, "bos_token": ["content": "</s>", "lstrip": false], "eos_token": "</s>",
                    "unk_token": "</s>", "pad_token": "<pad>",
                ]
            ])
    }

    @Test func ofRoberta() throws {
        try check(
            "roberta",
            [
                "special_tokens_map.json": [
                    "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
                    "pad_token": "<pad>", "mask_token": "<mask>",
                ]
            ])
    }

    @Test func filesAreNamed() throws {
        try withFiles(of: "opt", [:]) { folder in
            let file = folder.appendingPathComponent("vocab.json")
            try Data("[1]".utf8).write(to: file)
            #expect(throws: TokenizerError.unreadable(file: file.path, reason: "it is not an object")) {
                try Tokenizer.load(from: folder)
            }
            try FileManager.default.removeItem(at: file)
            let missing = folder.appendingPathComponent("tokenizer.json").path
            #expect(throws: TokenizerError.unreadable(file: missing, reason: "no such file")) {
                try Tokenizer.load(from: folder)
            }
        }
    }
}
