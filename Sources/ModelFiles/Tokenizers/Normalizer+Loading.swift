import Tensors

extension Normalizer {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        let type = try section.string("type")
        switch type {
        case "BertNormalizer": self = .bert(try BERTNormalizer(section))
        case "Lowercase":
            try section.allowOnly(["type"])
            self = .lowercase
        case "StripAccents":
            try section.allowOnly(["type"])
            self = .stripAccents
        case "Strip":
            try section.allowOnly(["type", "strip_left", "strip_right"])
            self = .strip(left: try section.bool("strip_left"), right: try section.bool("strip_right"))
        case "Prepend":
            try section.allowOnly(["type", "prepend"])
            self = .prepend(try section.bytes("prepend"))
        case "Replace":
            try section.allowOnly(["type", "pattern", "content"])
            self = .replace(pattern: try section.literalPattern("pattern"), content: try section.bytes("content"))
        case "Sequence":
            try section.allowOnly(["type", "normalizers"])
            var steps: [Normalizer] = []
            for step in try section.sections("normalizers") { steps.append(try Normalizer(step)) }
            self = .sequence(steps)
        default:
            if let form = UnicodeNormalForm(rawValue: type) {
                try section.allowOnly(["type"])
                self = .normalForm(form)
                return
            }
            throw section.unsupported("type", "the normalizer \(quotedForMessage(type))")
        }
    }
}

extension BERTNormalizer {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        try section.allowOnly(["type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"])
        let lowercase = try section.bool("lowercase")
        self.init(
            cleanText: try section.bool("clean_text"),
            separateIdeographs: try section.bool("handle_chinese_chars"),
            stripAccents: try section.bool("strip_accents", default: lowercase),
            lowercase: lowercase)
    }
}

extension TokenizerFileSection {
    /// `{"String": "..."}`, not empty.
    func literalPattern(_ name: String) throws(TokenizerError) -> [UInt8] {
        guard let pattern = try section(name) else { throw malformed(name, expected: "an object", nil) }
        if let expression = pattern.members["Regex"]?.stringValue {
            throw unsupported(name, "the regular expression \(quotedForMessage(expression))")
        }
        try pattern.allowOnly(["String"])
        let bytes = try pattern.bytes("String")
        if bytes.isEmpty { throw pattern.unsupported("String", "an empty pattern") }
        return bytes
    }
}
