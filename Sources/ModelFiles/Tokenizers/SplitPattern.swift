/// The regular expressions that byte-level tokenizers split text with, as hand-written matchers.
enum SplitPattern: Sendable, Equatable {
    /// GPT-2: contractions; letters, digits or signs with a blank in front; white space up to the last before a word.
    case gpt2
    /// cl100k and Llama 3: any sign in front of letters, digits in groups, line ends kept with what they follow.
    case llama3(maximumDigits: Int)

    /// The known spellings of these expressions. `++` and `?+` only forbid steps back that cannot lead to a match, and
    /// `\s*[\r\n]` after a greedy `\s*` ends where `\s*[\r\n]+` does.
    init?(regularExpression: String) {
        switch regularExpression {
        case #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
            #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#:
            self = .gpt2
        case
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#,
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#:
            self = .llama3(maximumDigits: 3)
        case
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#:
            self = .llama3(maximumDigits: 1)
        default: return nil
        }
    }
}

/// Text with the class of each scalar, ready for the matchers.
struct ClassifiedText {
    private var scalars: [Unicode.Scalar] = []
    private var classes: [PatternClass] = []
    private var offsets: [Int] = []

    init(_ bytes: ArraySlice<UInt8>) {
        scalars.reserveCapacity(bytes.count)
        classes.reserveCapacity(bytes.count)
        offsets.reserveCapacity(bytes.count + 1)
        for (scalar, offset) in UTF8Scalars(bytes) {
            scalars.append(scalar)
            classes.append(PatternClass(scalar))
            offsets.append(offset)
        }
        offsets.append(bytes.endIndex)
    }

    /// Every scalar lands in exactly one piece.
    func appendPieces(by pattern: SplitPattern, to pieces: inout [Range<Int>]) {
        var start = 0
        while start < scalars.count {
            let end: Int
            switch pattern {
            case .gpt2: end = gpt2Match(at: start)
            case .llama3(let maximumDigits): end = llama3Match(at: start, maximumDigits: maximumDigits)
            }
            pieces.append(offsets[start]..<offsets[end])
            start = end
        }
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`: the end of the match, always past `start`.
    private func gpt2Match(at start: Int) -> Int {
        if let end = contraction(at: start, ignoringCase: false) { return end }
        let word = afterBlank(start)
        if word < scalars.count, !classes[word].isSpace { return run(of: classes[word], from: word) }
        return whitespaceMatch(at: start)
    }

    /// The pattern of `SplitPattern.llama3`: the end of the match, always past `start`.
    private func llama3Match(at start: Int, maximumDigits: Int) -> Int {
        if let end = contraction(at: start, ignoringCase: true) { return end }
        let first = classes[start]
        if first == .letter { return run(of: .letter, from: start) }
        if first != .number, first != .lineEnd, start + 1 < scalars.count, classes[start + 1] == .letter {
            return run(of: .letter, from: start + 1)
        }
        if first == .number { return run(of: .number, from: start, atMost: maximumDigits) }
        let sign = afterBlank(start)
        if sign < scalars.count, classes[sign] == .other {
            return run(of: .lineEnd, from: run(of: .other, from: sign))
        }
        let spaceEnd = whitespaceEnd(from: start)
        if let lastLineEnd = classes[start..<spaceEnd].lastIndex(of: .lineEnd) { return lastLineEnd + 1 }
        return whitespaceMatch(at: start)
    }

    /// `start`, or the place after it when a blank is there.
    private func afterBlank(_ start: Int) -> Int { scalars[start] == " " ? start + 1 : start }

    /// `\s+(?!\S)|\s+`: all of the white space at the end of the text, else all but the last, but at least one.
    private func whitespaceMatch(at start: Int) -> Int {
        let end = whitespaceEnd(from: start)
        return end == scalars.count || end == start + 1 ? end : end - 1
    }

    private func whitespaceEnd(from start: Int) -> Int {
        var end = start
        while end < scalars.count, classes[end].isSpace { end += 1 }
        return end
    }

    private func run(of kind: PatternClass, from start: Int, atMost limit: Int = .max) -> Int {
        var end = start
        while end < scalars.count, classes[end] == kind, end - start < limit { end += 1 }
        return end
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d`. Without case, the long s counts as an s: the only fold that reaches these letters.
    private func contraction(at start: Int, ignoringCase: Bool) -> Int? {
        guard scalars[start] == "'", start + 1 < scalars.count else { return nil }
        func letter(_ position: Int) -> Unicode.Scalar? {
            guard position < scalars.count else { return nil }
            let scalar = scalars[position]
            guard ignoringCase else { return scalar }
            if scalar == "\u{17F}" { return "s" }
            return (0x41...0x5A).contains(scalar.value) ? Unicode.Scalar(scalar.value | 0x20) : scalar
        }
        switch (letter(start + 1), letter(start + 2)) {
        case ("s", _), ("t", _), ("m", _), ("d", _): return start + 2
        case ("r", "e"), ("v", "e"), ("l", "l"): return start + 3
        default: return nil
        }
    }
}
