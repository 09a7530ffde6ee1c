extension AddedToken {
    /// The member `added_tokens`. The ids in the file must be those that Hugging Face gives the tokens when it reads the file:
    /// the vocabulary's own, or the next free one.
    static func list(
        in root: TokenizerFileSection, vocabulary: Vocabulary, normalizer: Normalizer?
    ) throws(TokenizerError) -> [AddedToken] {
        guard root.value("added_tokens") != nil else { return [] }
        var tokens: [AddedToken] = []
        var seen: Set<[UInt8]> = []
        var nextID = vocabulary.count
        for section in try root.sections("added_tokens") {
            let token = try AddedToken(section)
            if token.content.isEmpty { throw section.malformed("content", expected: "a text", found: "an empty one") }
            if !seen.insert(token.content).inserted {
                throw section.malformed("content", expected: "a token not added before", section.members["content"])
            }
            let expected = vocabulary.id(of: token.content) ?? nextID
            if token.id != expected {
                throw section.malformed("id", expected: "\(expected), the place of this token", found: "\(token.id)")
            }
            if token.id >= nextID { nextID = token.id + 1 }
            if token.normalized, let normalizer, normalizer.apply(to: token.content).isEmpty {
                throw section.unsupported("content", "an added token that normalizes to nothing")
            }
            tokens.append(token)
        }
        return tokens
    }

    private init(_ section: TokenizerFileSection) throws(TokenizerError) {
        try section.allowOnly(["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
        id = try section.id("id")
        content = try section.bytes("content")
        singleWord = try section.bool("single_word")
        stripsLeft = try section.bool("lstrip")
        stripsRight = try section.bool("rstrip")
        normalized = try section.bool("normalized")
        special = try section.bool("special")
    }
}
