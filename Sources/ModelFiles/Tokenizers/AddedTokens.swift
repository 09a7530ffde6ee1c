/// A token that is looked for in the text itself, before anything is split.
struct AddedToken: Sendable {
    let id: Int
    let content: [UInt8]
    let singleWord: Bool
    let stripsLeft: Bool
    let stripsRight: Bool
    let normalized: Bool
    let special: Bool
}

/// A stretch of text with no added token in it, or an added token.
enum TextSegment {
    case text(Range<Int>)
    case token(id: Int)
}

/// Finds added tokens in text: at each place the longest, from the left, not overlapping.
struct AddedTokenMatcher: Sendable {
    private var tokens: [AddedToken] = []
    /// A trie over bytes; node 0 is the root.
    private var children: [Edge: Int] = [:]
    private var tokenAtNode: [Int?] = [nil]
    private var startsToken = Array(repeating: false, count: 256)

    private struct Edge: Hashable, Sendable {
        let node: Int
        let byte: UInt8
    }

    /// The pattern is the token's content, normalized where the text will be. Of two equal patterns the first one counts.
    mutating func insert(_ token: AddedToken, pattern: [UInt8]) {
        guard let first = pattern.first else { return }
        startsToken[Int(first)] = true
        var node = 0
        for byte in pattern {
            let edge = Edge(node: node, byte: byte)
            if let child = children[edge] {
                node = child
            } else {
                children[edge] = tokenAtNode.count
                node = tokenAtNode.count
                tokenAtNode.append(nil)
            }
        }
        if tokenAtNode[node] == nil {
            tokenAtNode[node] = tokens.count
            tokens.append(token)
        }
    }

    func segments(of text: [UInt8]) -> [TextSegment] {
        if text.isEmpty { return [] }
        if tokens.isEmpty { return [.text(0..<text.count)] }
        var segments: [TextSegment] = []
        var textStart = 0
        var position = 0
        while position < text.count {
            guard startsToken[Int(text[position])], let match = longestMatch(in: text, at: position) else {
                position += 1
                continue
            }
            let start = position
            position = match.end
            let token = tokens[match.token]
            if token.singleWord, !standsAlone(start..<match.end, in: text) { continue }
            var cut = start
            if token.stripsLeft, textStart < start { cut = spaceStart(before: start, in: text[textStart...]) }
            if textStart < cut { segments.append(.text(textStart..<cut)) }
            segments.append(.token(id: token.id))
            textStart = max(textStart, match.end)
            if token.stripsRight { textStart = spaceEnd(after: textStart, in: text) }
        }
        if textStart < text.count { segments.append(.text(textStart..<text.count)) }
        return segments
    }

    private func longestMatch(in text: [UInt8], at start: Int) -> (token: Int, end: Int)? {
        var node = 0
        var position = start
        var best: (token: Int, end: Int)?
        while position < text.count, let child = children[Edge(node: node, byte: text[position])] {
            node = child
            position += 1
            if let token = tokenAtNode[node] { best = (token, position) }
        }
        return best
    }

    private func standsAlone(_ range: Range<Int>, in text: [UInt8]) -> Bool {
        if let before = UTF8Scalars.last(of: text[..<range.lowerBound]), before.isPatternWord { return false }
        var after = UTF8Scalars(text[range.upperBound...])
        if let next = after.next(), next.scalar.isPatternWord { return false }
        return true
    }

    private func spaceStart(before end: Int, in text: ArraySlice<UInt8>) -> Int {
        var start = end
        while let last = UTF8Scalars.last(of: text[text.startIndex..<start]), last.isPatternWhitespace { start -= UTF8.width(last) }
        return start
    }

    private func spaceEnd(after start: Int, in text: [UInt8]) -> Int {
        var scalars = UTF8Scalars(text[start...])
        var end = start
        while let next = scalars.next(), next.scalar.isPatternWhitespace { end = scalars.offset }
        return end
    }
}
