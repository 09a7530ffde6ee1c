import Tensors

/// Blanks written as a sign, with one in front where asked for and none is there; then a part begins at each sign, or the text
/// stays whole.
struct Metaspace: Sendable {
    enum Prefix: String, Sendable {
        case always, never
        /// At the beginning of the text alone, not behind an added token.
        case first
    }

    let sign: [UInt8]
    let prefix: Prefix
    let splits: Bool

    func apply(to text: inout TextPieces) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.bytes.count + text.bytes.count / 2)
        var pieces: [Range<Int>] = []
        for range in text.ranges where !range.isEmpty {
            let start = bytes.count
            let isFirst = text.startsText && range.lowerBound == 0
            let hasPrefix = text.bytes[range].first == UInt8(ascii: " ") || text.bytes[range].starts(with: sign)
            if !hasPrefix, prefix == .always || (prefix == .first && isFirst) { bytes += sign }
            for byte in text.bytes[range] {
                if byte == UInt8(ascii: " ") { bytes += sign } else { bytes.append(byte) }
            }
            appendPieces(of: bytes, start..<bytes.count, to: &pieces)
        }
        text.bytes = bytes
        text.ranges = pieces
    }

    private func appendPieces(of bytes: [UInt8], _ range: Range<Int>, to pieces: inout [Range<Int>]) {
        guard splits else { return pieces.append(range) }
        var (start, next) = (range.lowerBound, range.lowerBound)
        while next < range.upperBound {
            guard bytes[next..<range.upperBound].starts(with: sign) else {
                next += 1
                continue
            }
            if start < next { pieces.append(start..<next) }
            start = next
            next += sign.count
        }
        if start < range.upperBound { pieces.append(start..<range.upperBound) }
    }
}

extension Metaspace {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        try section.allowOnly(["type", "replacement", "prepend_scheme", "split"])
        sign = try section.bytes("replacement")
        let text = try section.string("replacement")
        guard text.unicodeScalars.count == 1 else {
            throw section.malformed("replacement", expected: "one character", found: quotedForMessage(text))
        }
        let name = try section.optionalString("prepend_scheme") ?? Prefix.always.rawValue
        guard let prefix = Prefix(rawValue: name) else {
            throw section.malformed("prepend_scheme", expected: "always, never or first", found: quotedForMessage(name))
        }
        self.prefix = prefix
        splits = try section.bool("split", default: true)
    }
}
