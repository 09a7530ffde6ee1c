import ModelFiles

/// Tokenizers of any size, made by rule and not from text: valid, lossless, and no better than their rule.
enum RandomTokenizer {
    /// A byte-level tokenizer: every byte, then pairs of bytes. Any text is encoded, and any token decoded.
    /// - Parameter size: at most 256 + 256^2 tokens.
    static func bytePairs(size: Int) -> JSONValue {
        // Those of English text first, so that the pairs there is room for are of use.
        let common = Array(
            " etaoinshrdlucmfwypvbgkqxjz,.ETAOINSHRDLUCMFWYPVBGKQXJZ'\"0123456789-?!:;()\n".utf8)
        let bytes = common + (UInt8.min...UInt8.max).filter { !common.contains($0) }
        let letters = bytes.map { String(Character(byteLevelLetter($0))) }
        var vocabulary = JSONObject()
        var merges: [JSONValue] = []
        for letter in letters.prefix(size) { vocabulary[letter] = .integer(Int64(vocabulary.count)) }
        for (left, right) in pairs(letters) {
            guard vocabulary.count < size else { break }
            vocabulary[left + right] = .integer(Int64(vocabulary.count))
            merges.append([.string(left), .string(right)])
        }
        let byteLevel: JSONValue = [
            "type": "ByteLevel", "add_prefix_space": .bool(false), "trim_offsets": .bool(true),
            "use_regex": .bool(true),
        ]
        return [
            "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array([]),
            "normalizer": .null,
            "pre_tokenizer": byteLevel, "post_processor": .null, "decoder": byteLevel,
            "model": [
                "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
                "end_of_word_suffix": .null, "fuse_unk": .bool(false), "byte_fallback": .bool(false),
                "ignore_merges": .bool(false), "vocab": .object(vocabulary), "merges": .array(merges),
            ],
        ]
    }

    /// All pairs, those of the first letters first.
    private static func pairs(_ letters: [String]) -> [(String, String)] {
        letters.indices.flatMap { last in
            (0..<last).flatMap { [(letters[$0], letters[last]), (letters[last], letters[$0])] } + [
                (letters[last], letters[last])
            ]
        }
    }

    /// GPT-2's alphabet: bytes that print stand for themselves as Latin-1, the others follow from U+0100 on.
    private static func byteLevelLetter(_ byte: UInt8) -> Unicode.Scalar {
        func prints(_ byte: UInt8) -> Bool {
            (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
        }
        guard !prints(byte) else { return Unicode.Scalar(byte) }
        let before = (UInt8.min..<byte).count { !prints($0) }
        return Unicode.Scalar(0x100 + UInt32(before)) ?? "\u{FFFD}"
    }

    /// BERT's kind: five special tokens, single characters, then syllables of two and three letters, each to
    /// begin a word and to go on with it.
    static func wordPieces(size: Int) -> JSONValue {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        var vocabulary = JSONObject()
        for token in special { vocabulary[token] = .integer(Int64(vocabulary.count)) }
        let letters = "etaoinshrdlucmfwypvbgkqxjz".map { String($0) }
        let others = (UInt8(0x21)...0x7E).filter {
            !(0x41...0x5A).contains($0) && !(0x61...0x7A).contains($0)
        }
        let singles = letters + others.map { String(Character(Unicode.Scalar($0))) }
        let two = letters.flatMap { first in letters.map { first + $0 } }
        let three = two.flatMap { first in letters.map { first + $0 } }
        for piece in singles + two + three {
            for token in [piece, "##" + piece] where vocabulary.count < size {
                vocabulary[token] = .integer(Int64(vocabulary.count))
            }
        }
        return [
            "version": "1.0", "truncation": .null, "padding": .null,
            "added_tokens": .array(special.enumerated().map { addedToken($0, $1) }),
            "normalizer": [
                "type": "BertNormalizer", "clean_text": .bool(true), "handle_chinese_chars": .bool(true),
                "strip_accents": .null, "lowercase": .bool(true),
            ],
            "pre_tokenizer": ["type": "BertPreTokenizer"],
            "post_processor": template,
            "decoder": ["type": "WordPiece", "prefix": "##", "cleanup": .bool(true)],
            "model": [
                "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": .integer(100), "vocab": .object(vocabulary),
            ],
        ]
    }

    private static func addedToken(_ id: Int, _ content: String) -> JSONValue {
        [
            "id": .integer(Int64(id)), "content": .string(content), "single_word": .bool(false),
            "lstrip": .bool(false),
            "rstrip": .bool(false), "normalized": .bool(false), "special": .bool(true),
        ]
    }

    /// [CLS] text [SEP].
    private static var template: JSONValue {
        func special(_ token: String, _ type: Int) -> JSONValue {
            ["SpecialToken": ["id": .string(token), "type_id": .integer(Int64(type))]]
        }
        func text(_ name: String, _ type: Int) -> JSONValue {
            ["Sequence": ["id": .string(name), "type_id": .integer(Int64(type))]]
        }
        func entry(_ token: String, _ id: Int) -> JSONValue {
            ["id": .string(token), "ids": [.integer(Int64(id))], "tokens": [.string(token)]]
        }
        return [
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)],
            "pair": [
                special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1), special("[SEP]", 1),
            ],
            "special_tokens": ["[CLS]": entry("[CLS]", 2), "[SEP]": entry("[SEP]", 3)],
        ]
    }
}
