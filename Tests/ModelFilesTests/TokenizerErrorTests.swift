import ModelFiles
import Testing

@Suite struct TokenizerErrorTests {
    /// A small byte-pair file with every member, edited by path.
    private static func file(_ path: String, _ value: JSONValue?) throws -> [UInt8] {
        let base: JSONValue = [
            "version": "1.0", "truncation": nil, "padding": nil,
            "added_tokens": [
                [
                    "id": 3, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                    "special": true,
                ]
            ],
            "normalizer": ["type": "NFC"], "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true],
            "post_processor": [
                "type": "TemplateProcessing",
                "single": [["SpecialToken": ["id": "<s>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]]], "pair": [],
                "special_tokens": ["<s>": ["id": "<s>", "ids": [3], "tokens": ["<s>"]]],
            ],
            "decoder": ["type": "ByteLevel"],
            "model": ["type": "BPE", "vocab": ["a": 0, "b": 1, "ab": 2], "merges": ["a b"]],
        ]
        return try set(base, path.split(separator: "/").map(String.init)[...], value).serialized()
    }

    private static func set(_ base: JSONValue, _ path: ArraySlice<String>, _ value: JSONValue?) -> JSONValue {
        guard let first = path.first else { return value ?? nil }
        if let index = Int(first), var elements = base.arrayValue {
            if index < elements.count {
                elements[index] = set(elements[index], path.dropFirst(), value)
            } else {
                elements.append(value ?? nil)
            }
            return .array(elements)
        }
        var object = base.objectValue ?? JSONObject()
        if path.count == 1 { object[first] = value } else { object[first] = set(object[first] ?? [:], path.dropFirst(), value) }
        return .object(object)
    }

    private static func message(_ path: String, _ value: JSONValue?) throws -> String? {
        do {
            _ = try Tokenizer.parse(file(path, value), file: "t.json")
            return nil
        } catch let error as TokenizerError {
            #expect(error.file == "t.json")
            return error.description
        }
    }

    @Test func theBaseIsFine() throws {
        let tokenizer = try Tokenizer.parse(Self.file("version", "1.0"), file: "t.json")
        #expect(tokenizer.encode("ab<s>ba") == [3, 2, 3, 1, 0])
        #expect(tokenizer.vocabularySize == 4)
    }

    @Test(arguments: [
        ("version", "2.0", #"version: "2.0" is not supported"#),
        ("extra", 1, #"the file: the member "extra" is not supported"#),
        ("normalizer/type", "Nmt", #"normalizer.type: the normalizer "Nmt" is not supported"#),
        ("normalizer/type", 7, "normalizer.type: expected a string, found 7"),
        ("normalizer", [1], "normalizer: expected an object, found an array"),
        ("normalizer/strength", 3, #"normalizer: the member "strength" is not supported"#),
        ("normalizer", ["type": "Sequence", "normalizers": [["type": "NFD"], ["type": "Precompiled"]]],
            #"normalizer.normalizers[1].type: the normalizer "Precompiled" is not supported"#),
        ("normalizer", ["type": "Replace", "pattern": ["Regex": "a+"], "content": ""],
            #"normalizer.pattern: the regular expression "a+" is not supported"#),
        ("normalizer", ["type": "Replace", "pattern": ["String": ""], "content": ""],
            "normalizer.pattern.String: an empty pattern is not supported"),
        ("pre_tokenizer/type", "UnicodeScripts", #"pre_tokenizer.type: the pre-tokenizer "UnicodeScripts" is not supported"#),
        ("pre_tokenizer", ["type": "Split", "pattern": ["Regex": "\\w+\n"], "behavior": "Isolated", "invert": false],
            #"pre_tokenizer.pattern: splitting by "\w+\u{A}" is not supported"#),
        ("pre_tokenizer", ["type": "Sequence", "pretokenizers": [
            ["type": "ByteLevel", "add_prefix_space": false], ["type": "ByteLevel", "add_prefix_space": false]]],
            "pre_tokenizer: ByteLevel more than once is not supported"),
        ("post_processor/type", "Pairs", #"post_processor.type: the post-processor "Pairs" is not supported"#),
        ("post_processor/special_tokens/<s>/ids/0", 4, #"post_processor.special_tokens."<s>".ids[0]: expected the id of a token, found 4"#),
        ("post_processor/single/1/Sequence/id", "B", "post_processor.single[1].Sequence: expected the sequence A, found an object"),
        ("post_processor/single/2", ["Sequence": ["id": "A", "type_id": 0]],
            "post_processor.single: a template with 2 places for the text is not supported"),
        ("decoder/type", "CTC", #"decoder.type: the decoder "CTC" is not supported"#),
        ("model/type", "Unigram", #"model.type: the model "Unigram" is not supported"#),
        ("model/dropout", 0.1, "model.dropout: 0.1 is not supported"),
        ("model/end_of_word_suffix", "</w>", #"model.end_of_word_suffix: "</w>" is not supported"#),
        ("model/unk_token", "?", #"model.unk_token: expected a token of the vocabulary, found "?""#),
        ("model/vocab/b", -1, #"model.vocab."b": expected a token id, found -1"#),
        ("model/vocab/b", 4_294_967_296, #"model.vocab."b": expected a token id, found 4294967296"#),
        ("model/vocab/b", 1.5, #"model.vocab."b": expected a token id, found 1.5"#),
        ("model/vocab/b", 0, #"model.vocab."b": expected an id that no other token has, found 0"#),
        ("model/vocab", [], "model.vocab: expected an object, found an array"),
        ("model/merges/0", "a c", #"model.merges[0]: expected tokens of the vocabulary, found "c""#),
        ("model/merges/0", "b a", #"model.merges[0]: expected tokens of the vocabulary, found "ba""#),
        ("model/merges/0", "a b c", #"model.merges[0]: expected two tokens, found "a b c""#),
        ("model/merges/0", ["a"], "model.merges[0]: expected two tokens, found an array"),
        ("model/merges", nil, "model.merges: expected an array, found null"),
        ("added_tokens/0/id", 9, "added_tokens[0].id: expected 3, the place of this token, found 9"),
        ("added_tokens/0/content", "a", "added_tokens[0].id: expected 0, the place of this token, found 3"),
        ("added_tokens/0/content", "", "added_tokens[0].content: expected a text, found an empty one"),
        ("added_tokens/0/special", "yes", #"added_tokens[0].special: expected true or false, found "yes""#),
        ("added_tokens/1", 5, "added_tokens[1]: expected an object, found 5"),
        ("added_tokens", ["a": 1], "added_tokens: expected an array, found an object"),
    ] as [(String, JSONValue, String)])
    func refuses(path: String, value: JSONValue, expected: String) throws {
        #expect(try Self.message(path, value) == "t.json: " + expected)
    }

    @Test func refusesMissingModelAndBadJSON() throws {
        #expect(try Self.message("model", nil) == "t.json: model: expected an object, found nothing")
        #expect(throws: TokenizerError.invalidJSON(file: "t.json", error: .unexpectedEnd(offset: 1))) {
            try Tokenizer.parse(Array("{".utf8), file: "t.json")
        }
        #expect(TokenizerError.unreadable(file: "a\nb", reason: "no such file").description == "a?b: cannot be read: no such file")
    }

    /// Steps that would multiply the length of a text are refused before any text is met.
    @Test func refusesExplosiveSteps() throws {
        let step: JSONValue = ["type": "Replace", "pattern": ["String": "a"], "content": "aaaaaaaa"]
        let normalizer: JSONValue = ["type": "Sequence", "normalizers": .array(Array(repeating: step, count: 40))]
        #expect(try Self.message("normalizer", normalizer) == "t.json: normalizer: making text more than 64 times longer is not supported")
        let decoder: JSONValue = ["type": "Sequence", "decoders": .array(Array(repeating: step, count: 40))]
        #expect(try Self.message("decoder", decoder) == "t.json: decoder: making text more than 64 times longer is not supported")
        let piece: JSONValue = ["SpecialToken": ["id": "<s>", "type_id": 0]]
        #expect(
            try Self.message("post_processor/single", .array(Array(repeating: piece, count: 1025)))
                == "t.json: post_processor.single: a template with more than 1024 ids is not supported")
    }
}
