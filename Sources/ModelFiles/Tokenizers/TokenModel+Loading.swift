import Tensors

extension TokenModel {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        switch try section.optionalString("type") ?? Self.impliedType(section) {
        case "BPE": self = .bytePair(try BytePairModel(section))
        case "WordPiece": self = .wordPiece(try WordPieceModel(section))
        case let type: throw section.unsupported("type", "the model \(quotedForMessage(type))")
        }
    }

    /// Older files do not name the model.
    private static func impliedType(_ section: TokenizerFileSection) -> String {
        if section.members["merges"] != nil { return "BPE" }
        if section.members["vocab"]?.arrayValue != nil { return "Unigram" }
        return section.members["max_input_chars_per_word"] != nil ? "WordPiece" : "WordLevel"
    }
}

extension WordPieceModel {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        try section.allowOnly(["type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"])
        let vocabulary = try Vocabulary(section)
        let unknown = try section.optionalString("unk_token") ?? "[UNK]"
        guard let unknownID = vocabulary.id(of: Array(unknown.utf8)) else {
            throw section.malformed("unk_token", expected: "a token of the vocabulary", found: quotedForMessage(unknown))
        }
        self.vocabulary = vocabulary
        self.unknownID = unknownID
        continuationPrefix = Array((try section.optionalString("continuing_subword_prefix") ?? "##").utf8)
        longestWord = try section.count("max_input_chars_per_word", default: 100)
    }
}

extension BytePairModel {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        try section.allowOnly([
            "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
            "ignore_merges", "vocab", "merges",
        ])
        if let dropout = section.value("dropout"), dropout.doubleValue != 0 {
            throw section.unsupported("dropout", TokenizerFileSection.describe(dropout))
        }
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let text = try section.optionalString(name), !text.isEmpty { throw section.unsupported(name, quotedForMessage(text)) }
        }
        let vocabulary = try Vocabulary(section)
        var unknownID: Int?
        if let unknown = try section.optionalString("unk_token") {
            unknownID = vocabulary.id(of: Array(unknown.utf8))
            if unknownID == nil {
                throw section.malformed("unk_token", expected: "a token of the vocabulary", found: quotedForMessage(unknown))
            }
        }
        self.vocabulary = vocabulary
        self.unknownID = unknownID
        merges = try Self.readMerges(section, vocabulary)
        fusesUnknown = try section.bool("fuse_unk", default: false)
        byteTokens =
            try section.bool("byte_fallback", default: false)
            ? (UInt8.min...UInt8.max).map { vocabulary.id(of: Self.nameOfByteToken($0)) } : nil
        ignoresMerges = try section.bool("ignore_merges", default: false)
    }

    private static func nameOfByteToken(_ byte: UInt8) -> [UInt8] {
        let digits = String(byte, radix: 16, uppercase: true)
        return Array("<0x\(digits.count == 1 ? "0" : "")\(digits)>".utf8)
    }

    private static func readMerges(_ section: TokenizerFileSection, _ vocabulary: Vocabulary) throws(TokenizerError) -> [Pair: Merge] {
        let list = try section.array("merges")
        var merges: [Pair: Merge] = Dictionary(minimumCapacity: list.count)
        for (index, element) in list.enumerated() {
            if let line = element.stringValue, line.utf8.starts(with: "#version".utf8) { continue }
            guard let (left, right) = parts(of: element) else {
                throw section.malformed("merges[\(index)]", expected: "two tokens", element)
            }
            let leftID = try id(left, in: vocabulary, section, index)
            let rightID = try id(right, in: vocabulary, section, index)
            let mergedID = try id(left + right, in: vocabulary, section, index)
            merges[Pair(left: leftID, right: rightID)] = Merge(rank: index, id: mergedID)
        }
        return merges
    }

    /// `"a b"` or `["a", "b"]`.
    private static func parts(of merge: JSONValue) -> ([UInt8], [UInt8])? {
        if let line = merge.stringValue {
            let parts = Array(line.utf8).split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            return parts.count == 2 ? (Array(parts[0]), Array(parts[1])) : nil
        }
        guard merge.arrayValue?.count == 2, let left = merge[0]?.stringValue, let right = merge[1]?.stringValue else { return nil }
        return (Array(left.utf8), Array(right.utf8))
    }

    private static func id(
        _ token: [UInt8], in vocabulary: Vocabulary, _ section: TokenizerFileSection, _ index: Int
    ) throws(TokenizerError) -> Int {
        guard let id = vocabulary.id(of: token) else {
            let name = quotedForMessage(String(decoding: token, as: UTF8.self))
            throw section.malformed("merges[\(index)]", expected: "tokens of the vocabulary", found: name)
        }
        return id
    }
}

extension Vocabulary {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        guard let entries = try section.section("vocab") else { throw section.malformed("vocab", expected: "an object", nil) }
        self.init(minimumCapacity: entries.members.count)
        for (token, value) in entries.members {
            let name = quotedForMessage(token)
            let id = try entries.id(value, at: name)
            // Keys are distinct already, so only the id can be taken.
            guard insert(Array(token.utf8), id: id) else {
                throw entries.malformed(name, expected: "an id that no other token has", found: "\(id)")
            }
        }
    }
}
