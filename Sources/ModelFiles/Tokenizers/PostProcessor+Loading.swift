import Tensors

extension PostProcessor {
    /// - Parameter isToken: whether an id is in the vocabulary.
    init(_ section: TokenizerFileSection, isToken: (Int) -> Bool) throws(TokenizerError) {
        switch try section.string("type") {
        case "TemplateProcessing": try self.init(template: section, isToken: isToken)
        case "ByteLevel":
            // Changes offsets only, which nobody asks for here.
            try section.allowOnly(["type", "add_prefix_space", "trim_offsets", "use_regex"])
            self.init()
        case "BertProcessing":
            try section.allowOnly(["type", "sep", "cls"])
            self.init(
                prefix: [try Self.token(section, "cls", isToken)], suffix: [try Self.token(section, "sep", isToken)])
        case "RobertaProcessing":
            try section.allowOnly(["type", "sep", "cls", "trim_offsets", "add_prefix_space"])
            self.init(
                prefix: [try Self.token(section, "cls", isToken)], suffix: [try Self.token(section, "sep", isToken)])
        case "Sequence":
            try section.allowOnly(["type", "processors"])
            self.init()
            for step in try section.sections("processors") {
                let next = try PostProcessor(step, isToken: isToken)
                prefix = next.prefix + prefix
                suffix += next.suffix
            }
        case let type: throw section.unsupported("type", "the post-processor \(quotedForMessage(type))")
        }
    }

    /// `["[SEP]", 102]`
    private static func token(
        _ section: TokenizerFileSection, _ name: String, _ isToken: (Int) -> Bool
    ) throws(TokenizerError) -> Int {
        let pair = try section.array(name)
        guard pair.count == 2, pair[0].stringValue != nil else { throw section.malformed(name, expected: "a token and its id", .array(pair)) }
        return try known(section.id(pair[1], at: name), section, name, isToken)
    }

    private static func known(
        _ id: Int, _ section: TokenizerFileSection, _ name: String, _ isToken: (Int) -> Bool
    ) throws(TokenizerError) -> Int {
        guard isToken(id) else { throw section.malformed(name, expected: "the id of a token", found: "\(id)") }
        return id
    }

    private init(template section: TokenizerFileSection, isToken: (Int) -> Bool) throws(TokenizerError) {
        try section.allowOnly(["type", "single", "pair", "special_tokens"])
        guard let special = try section.section("special_tokens") else {
            throw section.malformed("special_tokens", expected: "an object", nil)
        }
        var before: [Int] = []
        var after: [Int] = []
        var contents = 0
        for piece in try section.sections("single") {
            try piece.allowOnly(["Sequence", "SpecialToken"])
            if let sequence = try piece.section("Sequence") {
                guard piece.members.count == 1, try sequence.string("id") == "A" else {
                    throw piece.malformed("Sequence", expected: "the sequence A", .object(sequence.members))
                }
                contents += 1
                continue
            }
            guard let token = try piece.section("SpecialToken") else {
                throw piece.malformed("SpecialToken", expected: "an object", nil)
            }
            let ids = try Self.ids(of: try token.string("id"), in: special, isToken)
            if contents == 0 { before += ids } else { after += ids }
            // Each piece repeats a list of ids, so a small file could ask for very many.
            if before.count + after.count > 1024 { throw section.unsupported("single", "a template with more than 1024 ids") }
        }
        guard contents == 1 else { throw section.unsupported("single", "a template with \(contents) places for the text") }
        self.init(prefix: before, suffix: after)
    }

    private static func ids(
        of name: String, in special: TokenizerFileSection, _ isToken: (Int) -> Bool
    ) throws(TokenizerError) -> [Int] {
        guard let entry = special.members[name]?.objectValue else {
            throw special.malformed(quotedForMessage(name), expected: "an object", special.members[name])
        }
        let section = TokenizerFileSection(file: special.file, path: special.place(quotedForMessage(name)), members: entry)
        var ids: [Int] = []
        for (index, value) in try section.array("ids").enumerated() {
            ids.append(try known(section.id(value, at: "ids[\(index)]"), section, "ids[\(index)]", isToken))
        }
        return ids
    }
}
