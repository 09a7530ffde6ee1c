import Foundation
import Tensors

/// The files of a byte-level tokenizer (GPT-2, RoBERTa, OPT) from before there was `tokenizer.json`: `vocab.json`, `merges.txt`
/// and, in `special_tokens_map.json` or `tokenizer_config.json`, which tokens are special and whether one comes first.
struct VocabularyFiles {
    private let folder: URL

    /// Nil where the folder has no such files.
    init?(folder: URL) throws(TokenizerError) {
        for name in ["vocab.json", "merges.txt"] {
            let path = folder.appendingPathComponent(name).path
            guard FileManager.default.fileExists(atPath: path) else { return nil }
        }
        self.folder = folder
    }

    /// The same as the members of a `tokenizer.json`.
    /// - Throws: `TokenizerError` naming the file.
    func root() throws(TokenizerError) -> TokenizerFileSection {
        guard let vocabulary = try object("vocab.json") else {
            throw .unreadable(file: folder.appendingPathComponent("vocab.json").path, reason: "it is not an object")
        }
        let configuration = try object("tokenizer_config.json") ?? JSONObject()
        let special = try object("special_tokens_map.json") ?? configuration
        let byteLevel: JSONValue = [
            "type": "ByteLevel", "add_prefix_space": .bool(configuration["add_prefix_space"]?.boolValue ?? false),
            "trim_offsets": true, "use_regex": true,
        ]
        var root = JSONObject()
        root["model"] = ["type": "BPE", "vocab": .object(vocabulary), "merges": .array(try merges())]
        root["added_tokens"] = .array(addedTokens(special, in: vocabulary))
        root["pre_tokenizer"] = byteLevel
        root["decoder"] = byteLevel
        root["post_processor"] = postProcessor(configuration, special, in: vocabulary)
        return TokenizerFileSection(file: folder.path, path: "", members: root)
    }

    private func object(_ name: String) throws(TokenizerError) -> JSONObject? {
        let file = folder.appendingPathComponent(name)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let bytes = [UInt8](try Tokenizer.contents(of: file))
        do throws(JSONError) { return try JSONValue.parse(bytes).objectValue } catch {
            throw .invalidJSON(file: file.path, error: error)
        }
    }

    /// A merge on each line, after a line with the version.
    private func merges() throws(TokenizerError) -> [JSONValue] {
        let file = folder.appendingPathComponent("merges.txt")
        guard let text = String(validating: try Tokenizer.contents(of: file), as: UTF8.self) else {
            throw .unreadable(file: file.path, reason: "it is not UTF-8 text")
        }
        return text.split(separator: "\n").filter { !$0.hasPrefix("#version") }.map { .string(String($0)) }
    }

    private static let kinds = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

    /// A text, or an object with one.
    private func content(_ kind: String, _ special: JSONObject) -> String? {
        special[kind]?.stringValue ?? special[kind]?.objectValue?["content"]?.stringValue
    }

    private func addedTokens(_ special: JSONObject, in vocabulary: JSONObject) -> [JSONValue] {
        let found = Self.kinds.compactMap { kind -> (id: Int, text: String, strips: Bool)? in
            guard let text = content(kind, special), let id = vocabulary[text]?.intValue else { return nil }
            return (id, text, special[kind]?.objectValue?["lstrip"]?.boolValue ?? false)
        }
        var seen: Set<Int> = []
        return found.sorted { $0.id < $1.id }.filter { seen.insert($0.id).inserted }.map { id, text, strips in
            [
                "id": .integer(Int64(id)), "content": .string(text), "single_word": false, "lstrip": .bool(strips),
                "rstrip": false, "normalized": false, "special": true,
            ]
        }
    }

    private func postProcessor(
        _ configuration: JSONObject, _ special: JSONObject, in vocabulary: JSONObject
    ) -> JSONValue? {
        func token(_ kind: String) -> JSONValue? {
            guard let text = content(kind, special), let id = vocabulary[text] else { return nil }
            return [.string(text), id]
        }
        if configuration["add_bos_token"]?.boolValue == true, let text = content("bos_token", special),
            let id = vocabulary[text]
        {
            var tokens = JSONObject()
            tokens[text] = ["id": .string(text), "ids": [id], "tokens": [.string(text)]]
            return [
                "type": "TemplateProcessing",
                "single": [["SpecialToken": ["id": .string(text), "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]]],
                "special_tokens": .object(tokens),
            ]
        }
        if let separator = token("sep_token"), let first = token("cls_token") {
            return ["type": "RobertaProcessing", "sep": separator, "cls": first, "trim_offsets": true, "add_prefix_space": false]
        }
        return nil
    }
}
