/// Decodes ids one at a time, as a model makes them, and gives out text only when it is complete: never half a character.
public struct IncrementalDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecialTokens: Bool
    /// Ids whose text depends on each other; the first `emittedCount` of them gave the text that is out already.
    private var pending: [Int] = []
    private var emittedCount = 0

    public init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool = true) {
        self.tokenizer = tokenizer
        self.skipSpecialTokens = skipSpecialTokens
    }

    /// The text that this id completes; empty while a character is incomplete. A character has at most four bytes, so after
    /// eight ids without a complete end the bytes are broken ones, and out they come as U+FFFD.
    ///
    /// Cost: decoding a few ids.
    public mutating func append(_ id: Int) -> String {
        // Tokens without text must not become the ones that the next blank depends on.
        if (skipSpecialTokens && tokenizer.isSpecial(id)) || tokenizer.token(id) == nil { return "" }
        pending.append(id)
        return newText(final: false)
    }

    /// What is left at the end, incomplete characters as U+FFFD.
    public mutating func finish() -> String { newText(final: true) }

    /// Text is taken from the difference of two decodings that both start a few ids back, because some decoders treat the
    /// first token differently (no blank before it).
    private mutating func newText(final: Bool) -> String {
        let before = Array(tokenizer.decode(Array(pending[..<emittedCount]), skipSpecialTokens: skipSpecialTokens).utf8)
        let after = Array(tokenizer.decode(pending, skipSpecialTokens: skipSpecialTokens).utf8)
        let mayContinue = pending.count - emittedCount < 8 && after.suffix(3).elementsEqual("\u{FFFD}".utf8)
        if !final, mayContinue { return "" }
        let text = after.starts(with: before) ? String(decoding: after[before.count...], as: UTF8.self) : ""
        pending.removeFirst(emittedCount)
        emittedCount = pending.count
        return text
    }
}
