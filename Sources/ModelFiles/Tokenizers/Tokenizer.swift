/// A Hugging Face tokenizer, read from its `tokenizer.json`: text to token ids and back, with the ids of the original.
///
/// WordPiece with BERT's normalization, and byte-pair encoding, byte-level (GPT-2, Llama 3) or over characters with byte
/// tokens; added tokens, normal forms, the post-processors of single texts, the matching decoders. The file's own truncation and
/// padding are left to the caller.
public final class Tokenizer: Sendable {
    let model: TokenModel
    let normalizer: Normalizer?
    let preTokenizer: PreTokenizer?
    let postProcessor: PostProcessor
    let decoder: TokenDecoder?
    let addedTokens: [AddedToken]
    /// The first looks at the text as given, the second at its normalized parts.
    private let rawMatcher: AddedTokenMatcher
    private let normalizedMatcher: AddedTokenMatcher
    private let shownTokens: [Int: ShownToken]
    private let addedIDByContent: [[UInt8]: Int]

    /// What an added token decodes to.
    private struct ShownToken {
        let content: [UInt8]
        let special: Bool
    }

    init(
        model: TokenModel, normalizer: Normalizer?, preTokenizer: PreTokenizer?, postProcessor: PostProcessor,
        decoder: TokenDecoder?, addedTokens: [AddedToken]
    ) {
        self.model = model
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.postProcessor = postProcessor
        self.decoder = decoder
        self.addedTokens = addedTokens
        // A token that is found in normalized text also decodes to it, and counts as special when that is a special token's text.
        let specialContents = Set(addedTokens.filter(\.special).map(\.content))
        func pattern(_ token: AddedToken) -> [UInt8] {
            token.normalized ? normalizer?.apply(to: token.content) ?? token.content : token.content
        }
        var rawMatcher = AddedTokenMatcher()
        var normalizedMatcher = AddedTokenMatcher()
        // Special tokens win over ordinary ones of the same content.
        for token in addedTokens.filter(\.special) + addedTokens.filter({ !$0.special }) {
            if token.normalized {
                normalizedMatcher.insert(token, pattern: pattern(token))
            } else {
                rawMatcher.insert(token, pattern: token.content)
            }
        }
        self.rawMatcher = rawMatcher
        self.normalizedMatcher = normalizedMatcher
        shownTokens = Dictionary(
            addedTokens.map { token in
                let content = pattern(token)
                return (token.id, ShownToken(content: content, special: specialContents.contains(content)))
            }, uniquingKeysWith: { $1 })
        addedIDByContent = Dictionary(addedTokens.map { ($0.content, $0.id) }) { $1 }
    }

    /// The ids of the text.
    ///
    /// Cost: about linear in the length of the text.
    /// - Parameter addSpecialTokens: whether what the file puts around a single text is added, such as `[CLS]` and `[SEP]`.
    ///   Special tokens that stand in the text itself are found either way.
    public func encode(_ text: String, addSpecialTokens: Bool = true) -> [Int] {
        let content = contentIDs(of: text)
        return addSpecialTokens ? postProcessor.apply(to: content) : content
    }

    /// The ids of the text, cut to that many: the end of the text is dropped, the special tokens around it stay. Should they
    /// alone be more than `maximumLength`, they are all that is left.
    public func encode(_ text: String, maximumLength: Int, addSpecialTokens: Bool = true) -> [Int] {
        let content = contentIDs(of: text)
        let room = max(0, maximumLength - (addSpecialTokens ? postProcessor.addedCount : 0))
        return addSpecialTokens ? postProcessor.apply(to: content.prefix(room)) : Array(content.prefix(room))
    }

    /// The text of the ids. Ids that are no token are left out, bytes that are not UTF-8 (half a character) become U+FFFD.
    public func decode(_ ids: [Int], skipSpecialTokens: Bool = true) -> String {
        var tokens: [[UInt8]] = []
        tokens.reserveCapacity(ids.count)
        for id in ids {
            if let added = shownTokens[id] {
                if !(skipSpecialTokens && added.special) { tokens.append(added.content) }
            } else if let token = model.vocabulary.token(id) {
                tokens.append(Array(token))
            }
        }
        let parts = decoder?.apply(to: tokens) ?? [Array(tokens.joined(separator: [UInt8(ascii: " ")]))]
        return String(decoding: Array(parts.joined()), as: UTF8.self)
    }

    /// How many different tokens there are, added ones included. An id can be larger where the file leaves gaps.
    public var vocabularySize: Int {
        model.vocabulary.count + shownTokens.keys.count { model.vocabulary.token($0) == nil }
    }

    /// The id of the token with exactly these bytes, as the file spells it (`##ing`, `Ġthe`).
    public func tokenID(_ token: String) -> Int? {
        let bytes = Array(token.utf8)
        return addedIDByContent[bytes] ?? model.vocabulary.id(of: bytes)
    }

    /// The token with that id, as the file spells it; an added token that is matched after normalization, as that leaves it.
    public func token(_ id: Int) -> String? {
        if let added = shownTokens[id] { return String(decoding: added.content, as: UTF8.self) }
        return model.vocabulary.token(id).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether that id is a special token: one that `decode` leaves out unless told otherwise.
    public func isSpecial(_ id: Int) -> Bool { shownTokens[id]?.special ?? false }

    private func contentIDs(of text: String) -> [Int] {
        let bytes = Array(text.utf8)
        var ids: [Int] = []
        ids.reserveCapacity(bytes.count / 3)
        var cache = WordCache()
        for segment in rawMatcher.segments(of: bytes) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let range):
                let part = range == 0..<bytes.count ? bytes : Array(bytes[range])
                appendIDs(
                    ofNormalized: normalizer?.apply(to: part) ?? part, startsText: range.lowerBound == 0, to: &ids,
                    cache: &cache)
            }
        }
        return ids
    }

    private func appendIDs(
        ofNormalized text: [UInt8], startsText: Bool, to ids: inout [Int], cache: inout WordCache
    ) {
        for segment in normalizedMatcher.segments(of: text) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let range):
                var pieces = TextPieces(
                    range == 0..<text.count ? text : Array(text[range]), startsText: startsText && range.lowerBound == 0)
                preTokenizer?.apply(to: &pieces)
                for piece in pieces.ranges { cache.encode(pieces.bytes[piece], with: model, into: &ids) }
            }
        }
    }
}
