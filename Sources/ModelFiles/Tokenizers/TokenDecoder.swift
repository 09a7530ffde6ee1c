/// The `decoder` of a tokenizer file: tokens in, the parts of the text out, all UTF-8 (or what is left of it).
indirect enum TokenDecoder: Sendable {
    /// Blanks between words, none before continuations; with cleanup also none before punctuation and contractions.
    case wordPiece(prefix: [UInt8], cleanup: Bool)
    case byteLevel
    /// Tokens `<0x00>` ... `<0xFF>` to the bytes they name.
    case byteFallback
    /// Everything into one part.
    case fuse
    /// Up to that many of the character off the start and the end of each part.
    case strip(content: [UInt8], start: Int, stop: Int)
    case replace(pattern: [UInt8], content: [UInt8])
    case sequence([TokenDecoder])

    /// As `Normalizer.growth`.
    var growth: Double {
        switch self {
        case .replace(let pattern, let content): max(1, Double(content.count) / Double(pattern.count))
        case .sequence(let steps): steps.reduce(1) { $0 * $1.growth }
        default: 1
        }
    }

    func apply(to tokens: [[UInt8]]) -> [[UInt8]] {
        switch self {
        case .wordPiece(let prefix, let cleanup): return Self.joinWordPieces(tokens, prefix: prefix, cleanup: cleanup)
        case .byteLevel: return [Self.validated(tokens.flatMap(ByteAlphabet.decode))]
        case .byteFallback: return Self.joinByteTokens(tokens)
        case .fuse: return [Array(tokens.joined())]
        case .strip(let content, let start, let stop):
            return tokens.map { Self.stripped($0, content: content, start: start, stop: stop) }
        case .replace(let pattern, let content): return tokens.map { $0.replacing(pattern, with: content) }
        case .sequence(let steps): return steps.reduce(tokens) { $1.apply(to: $0) }
        }
    }

    /// Bytes that are not UTF-8 become U+FFFD, one for each maximal part of a character.
    private static func validated(_ bytes: [UInt8]) -> [UInt8] { Array(String(decoding: bytes, as: UTF8.self).utf8) }

    private static func joinWordPieces(_ tokens: [[UInt8]], prefix: [UInt8], cleanup: Bool) -> [[UInt8]] {
        tokens.enumerated().map { index, token in
            var part = token
            if index > 0 {
                part = token.starts(with: prefix) ? Array(token.dropFirst(prefix.count)) : [UInt8(ascii: " ")] + token
            }
            if cleanup { for (pattern, content) in cleanups { part = part.replacing(pattern, with: content) } }
            return part
        }
    }

    /// In this order. The one that turns "do not" into "don't" belongs to the original, odd as it is.
    private static let cleanups: [(pattern: [UInt8], content: [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

    private static func joinByteTokens(_ tokens: [[UInt8]]) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var bytes: [UInt8] = []
        func flush() {
            if bytes.isEmpty { return }
            if String(validating: bytes, as: UTF8.self) != nil {
                parts.append(bytes)
            } else {
                parts.append(contentsOf: repeatElement(Array("\u{FFFD}".utf8), count: bytes.count))
            }
            bytes = []
        }
        for token in tokens {
            if let byte = namedByte(token) {
                bytes.append(byte)
            } else {
                flush()
                parts.append(token)
            }
        }
        flush()
        return parts
    }

    private static func namedByte(_ token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }

    private static func stripped(_ token: [UInt8], content: [UInt8], start: Int, stop: Int) -> [UInt8] {
        guard !content.isEmpty else { return token }
        var rest = token[...]
        var removed = 0
        while removed < start, rest.starts(with: content) {
            rest = rest.dropFirst(content.count)
            removed += 1
        }
        removed = 0
        while removed < stop, rest.count >= content.count, rest.suffix(content.count).elementsEqual(content) {
            rest = rest.dropLast(content.count)
            removed += 1
        }
        return Array(rest)
    }
}
