/// UTF-8 text and the parts of it that the model sees one by one. Parts are in order and may leave gaps (dropped white space).
struct TextPieces {
    var bytes: [UInt8]
    var ranges: [Range<Int>]
    /// Whether it is the beginning of the whole text.
    let startsText: Bool

    init(_ bytes: [UInt8], startsText: Bool = true) {
        self.bytes = bytes
        self.startsText = startsText
        ranges = bytes.isEmpty ? [] : [0..<bytes.count]
    }
}

/// The `pre_tokenizer` of a tokenizer file: cuts text into the words that the model encodes one by one.
indirect enum PreTokenizer: Sendable {
    /// At white space, which is dropped, and around every punctuation sign.
    case bert
    /// By one of the known patterns.
    case split(SplitPattern)
    /// Around numbers, or around each digit of them.
    case digits(individual: Bool)
    /// Each byte becomes a printable character, after a blank in front where asked for and none is there.
    case byteLevel(addPrefixSpace: Bool, splits: Bool)
    /// Blanks become a sign, as in SentencePiece.
    case metaspace(Metaspace)
    case sequence([PreTokenizer])

    /// How many steps write bytes as characters.
    var byteLevelSteps: Int {
        switch self {
        case .byteLevel: 1
        case .sequence(let steps): steps.reduce(0) { $0 + $1.byteLevelSteps }
        case .bert, .split, .digits, .metaspace: 0
        }
    }

    func apply(to text: inout TextPieces) {
        switch self {
        case .bert: text.ranges = text.ranges.flatMap { Self.bertPieces(of: text.bytes, $0) }
        case .digits(let individual): text.ranges = text.ranges.flatMap { Self.digitPieces(of: text.bytes, $0, individual: individual) }
        case .split(let pattern): Self.split(&text, by: pattern)
        case .byteLevel(let addPrefixSpace, let splits):
            if addPrefixSpace { Self.addPrefixSpaces(&text) }
            if splits { Self.split(&text, by: .gpt2) }
            ByteAlphabet.encode(&text)
        case .metaspace(let metaspace): metaspace.apply(to: &text)
        case .sequence(let steps): for step in steps { step.apply(to: &text) }
        }
    }

    private static func bertPieces(of bytes: [UInt8], _ range: Range<Int>) -> [Range<Int>] {
        var pieces: [Range<Int>] = []
        var start = range.lowerBound
        for (scalar, offset) in UTF8Scalars(bytes[range]) {
            let isSpace = scalar.isPatternWhitespace
            guard isSpace || scalar.isBERTPunctuation else { continue }
            if start < offset { pieces.append(start..<offset) }
            start = offset + UTF8.width(scalar)
            if !isSpace { pieces.append(offset..<start) }
        }
        if start < range.upperBound { pieces.append(start..<range.upperBound) }
        return pieces
    }

    private static func digitPieces(of bytes: [UInt8], _ range: Range<Int>, individual: Bool) -> [Range<Int>] {
        var pieces: [Range<Int>] = []
        var start = range.lowerBound
        var startIsNumber = false
        for (scalar, offset) in UTF8Scalars(bytes[range]) {
            let isNumber = scalar.isStandardNumber
            if offset > start, isNumber != startIsNumber || (isNumber && individual) {
                pieces.append(start..<offset)
                start = offset
            }
            startIsNumber = isNumber
        }
        if start < range.upperBound { pieces.append(start..<range.upperBound) }
        return pieces
    }

    private static func split(_ text: inout TextPieces, by pattern: SplitPattern) {
        var pieces: [Range<Int>] = []
        for range in text.ranges {
            ClassifiedText(text.bytes[range]).appendPieces(by: pattern, to: &pieces)
        }
        text.ranges = pieces
    }

    private static func addPrefixSpaces(_ text: inout TextPieces) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.bytes.count + text.ranges.count)
        text.ranges = text.ranges.map { range in
            let start = bytes.count
            if !range.isEmpty, text.bytes[range.lowerBound] != UInt8(ascii: " ") { bytes.append(UInt8(ascii: " ")) }
            bytes.append(contentsOf: text.bytes[range])
            return start..<bytes.count
        }
        text.bytes = bytes
    }
}
