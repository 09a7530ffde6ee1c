/// Scalar classes as the tokenizers of Hugging Face see them.
///
/// Its parts were built against tables of different Unicode editions: BERT's control, punctuation and accent tests against 8,
/// normal forms and combining marks against 9, the splitting patterns against 16, lower case and numbers against 17. Scalars that came later count as unassigned
/// there. The standard library here knows the newer ones, so each test asks the scalar's age first; the few scalars whose
/// category changed since are listed. Compared over all 1 112 064 scalars with tokenizers 0.23.3: no difference.
extension Unicode.Scalar {
    /// The general category in that edition, for a scalar whose category did not change since.
    func generalCategory(inUnicode edition: Int) -> Unicode.GeneralCategory {
        guard let age = properties.age, age.major <= edition else { return .unassigned }
        return properties.generalCategory
    }

    /// `\s` of the patterns, and every other test for white space: the White_Space property (25 scalars).
    var isPatternWhitespace: Bool {
        if isASCII { return self == " " || (9...13).contains(value) }
        return properties.isWhitespace
    }

    /// What the pre-tokenizer Digits looks for: categories N.
    var isStandardNumber: Bool {
        if isASCII { return (0x30...0x39).contains(value) }
        switch generalCategory(inUnicode: 17) {
        case .decimalNumber, .letterNumber, .otherNumber: return true
        default: return false
        }
    }

    /// `\w` of the pattern that decides whether an added token stands alone.
    var isPatternWord: Bool {
        guard let age = properties.age, age.major <= 16 else { return false }
        if properties.isAlphabetic || properties.isJoinControl { return true }
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
        default: return false
        }
    }

    /// Dropped by BERT's text cleaning: NUL, U+FFFD, and the categories Cc, Cf and Co but for tab, line feed and carriage return.
    var isDroppedByBERT: Bool {
        if isASCII { return (value < 0x20 && value != 9 && value != 10 && value != 13) || value == 0x7F }
        switch generalCategory(inUnicode: 8) {
        case .control, .format, .privateUse: return true
        default: return value == 0xFFFD
        }
    }

    /// Split off as punctuation by BERT: all ASCII signs, and the categories P.
    var isBERTPunctuation: Bool {
        switch value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
        case 0..<0x80: return false
        case 0x166D, 0x111C9: return true  // So since 12, Mn since 11
        default: break
        }
        switch generalCategory(inUnicode: 8) {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return true
        default: return false
        }
    }

    /// Given spaces on both sides by BERT: the CJK ideograph blocks of the original model.
    var isBERTIdeograph: Bool {
        switch value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F, 0x2B920...0x2CEAF,
            0xF900...0xFAFF, 0x2F800...0x2FA1F:
            return true
        default: return false
        }
    }

    /// Dropped by BERT's accent stripping, after decomposition: category Mn.
    var isBERTAccent: Bool {
        switch value {
        case 0..<0x300: return false
        case 0x1734, 0x1171E: return true  // Mc since 14
        case 0x1885, 0x1886, 0xA9BD, 0x111C9: return false  // Mn since 9, 9, 11 and 11
        default: return generalCategory(inUnicode: 8) == .nonspacingMark
        }
    }

    /// Dropped by the normalizer StripAccents: categories M.
    var isCombiningMark: Bool {
        switch value {
        case 0..<0x300: return false
        case 0x1CF2, 0x1CF3: return true  // Lo since 12
        case 0x111C9: return false  // Mn since 11
        default: break
        }
        switch generalCategory(inUnicode: 9) {
        case .nonspacingMark, .spacingMark, .enclosingMark: return true
        default: return false
        }
    }
}

/// What the splitting patterns of byte-level tokenizers tell apart.
enum PatternClass: UInt8 {
    case letter, number, whitespace, lineEnd, other

    init(_ scalar: Unicode.Scalar) {
        switch scalar.value {
        case 0x41...0x5A, 0x61...0x7A: self = .letter
        case 0x30...0x39: self = .number
        case 0x0A, 0x0D: self = .lineEnd
        case 0x20, 0x09, 0x0B, 0x0C: self = .whitespace
        case 0..<0x80: self = .other
        default:
            switch scalar.generalCategory(inUnicode: 16) {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
            case .decimalNumber, .letterNumber, .otherNumber: self = .number
            default: self = scalar.isPatternWhitespace ? .whitespace : .other
            }
        }
    }

    /// White space of any sort, `\s`.
    var isSpace: Bool { self == .whitespace || self == .lineEnd }
}
