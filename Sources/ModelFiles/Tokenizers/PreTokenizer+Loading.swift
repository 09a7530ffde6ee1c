import Tensors

extension PreTokenizer {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        switch try section.string("type") {
        case "BertPreTokenizer":
            try section.allowOnly(["type"])
            self = .bert
        case "ByteLevel":
            try section.allowOnly(["type", "add_prefix_space", "trim_offsets", "use_regex"])
            self = .byteLevel(
                addPrefixSpace: try section.bool("add_prefix_space"), splits: try section.bool("use_regex", default: true))
        case "Split": self = .split(try SplitPattern(section))
        case "Digits":
            try section.allowOnly(["type", "individual_digits"])
            self = .digits(individual: try section.bool("individual_digits"))
        case "Metaspace": self = .metaspace(try Metaspace(section))
        case "Sequence":
            try section.allowOnly(["type", "pretokenizers"])
            var steps: [PreTokenizer] = []
            for step in try section.sections("pretokenizers") { steps.append(try PreTokenizer(step)) }
            self = .sequence(steps)
        case let type: throw section.unsupported("type", "the pre-tokenizer \(quotedForMessage(type))")
        }
    }
}

extension SplitPattern {
    init(_ section: TokenizerFileSection) throws(TokenizerError) {
        try section.allowOnly(["type", "pattern", "behavior", "invert"])
        guard let pattern = try section.section("pattern") else { throw section.malformed("pattern", expected: "an object", nil) }
        guard pattern.members.count == 1, let expression = pattern.members["Regex"]?.stringValue,
            let known = SplitPattern(regularExpression: expression)
        else {
            let text = pattern.members.first?.value.stringValue ?? ""
            throw section.unsupported("pattern", "splitting by \(quotedForMessage(text))")
        }
        // The known expressions match every character, so keeping the matches and keeping all is the same.
        switch (try section.string("behavior"), try section.bool("invert")) {
        case ("Isolated", false), ("Isolated", true), ("Removed", true): self = known
        case (let behavior, let invert):
            throw section.unsupported("behavior", "\(quotedForMessage(behavior)) with invert \(invert)")
        }
    }
}
