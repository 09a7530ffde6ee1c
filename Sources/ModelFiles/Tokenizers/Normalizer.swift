/// The `normalizer` of a tokenizer file: text in, text out, both UTF-8.
indirect enum Normalizer: Sendable {
    case bert(BERTNormalizer)
    case normalForm(UnicodeNormalForm)
    case lowercase
    case stripAccents
    case strip(left: Bool, right: Bool)
    case prepend([UInt8])
    case replace(pattern: [UInt8], content: [UInt8])
    case sequence([Normalizer])

    /// How many times longer replacing can make a text: a few nested steps in a small file could ask for any amount of memory.
    var growth: Double {
        switch self {
        case .replace(let pattern, let content): max(1, Double(content.count) / Double(pattern.count))
        case .sequence(let steps): steps.reduce(1) { $0 * $1.growth }
        default: 1
        }
    }

    static let maximumGrowth = 64.0

    func apply(to text: [UInt8]) -> [UInt8] {
        switch self {
        case .bert(let normalizer): return normalizer.apply(to: text)
        case .normalForm(let form): return form.apply(to: text)
        case .lowercase: return Self.lowercased(text)
        case .stripAccents: return Self.filtered(text) { !$0.isCombiningMark }
        case .strip(let left, let right): return Self.stripped(text, left: left, right: right)
        case .prepend(let prefix): return text.isEmpty ? text : prefix + text
        case .replace(let pattern, let content): return text.replacing(pattern, with: content)
        case .sequence(let steps): return steps.reduce(text) { $1.apply(to: $0) }
        }
    }

    /// Scalar by scalar, without the contextual rules: a final sigma stays σ.
    static func lowercased(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        for (scalar, _) in UTF8Scalars(text) {
            switch scalar.value {
            case 0x41...0x5A: result.append(UInt8(truncatingIfNeeded: scalar.value) | 0x20)
            case 0..<0x80: result.append(UInt8(truncatingIfNeeded: scalar.value))
            default: result.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
            }
        }
        return result
    }

    static func filtered(_ text: [UInt8], keep: (Unicode.Scalar) -> Bool) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        for (scalar, _) in UTF8Scalars(text) where keep(scalar) { result.append(scalar) }
        return result
    }

    private static func stripped(_ text: [UInt8], left: Bool, right: Bool) -> [UInt8] {
        var rest = text[...]
        if left {
            var scalars = UTF8Scalars(rest)
            var start = rest.startIndex
            while let next = scalars.next(), next.scalar.isPatternWhitespace { start = scalars.offset }
            rest = rest[start...]
        }
        while right, let last = UTF8Scalars.last(of: rest), last.isPatternWhitespace { rest = rest.dropLast(UTF8.width(last)) }
        return Array(rest)
    }
}
