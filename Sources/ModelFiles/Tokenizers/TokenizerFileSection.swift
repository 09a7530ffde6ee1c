import Tensors

/// An object inside a tokenizer file that knows where it stands, so that every complaint names the file and the place.
struct TokenizerFileSection {
    let file: String
    let path: String
    let members: JSONObject

    init(file: String, path: String, members: JSONObject) {
        self.file = file
        self.path = path
        self.members = members
    }

    /// A name that an unknown option would show under is an error too: an option nobody reads could change the ids.
    func allowOnly(_ names: Set<String>) throws(TokenizerError) {
        for key in members.keys where !names.contains(key) {
            throw .unsupported(file: file, path: path.isEmpty ? "the file" : path, component: "the member \(quotedForMessage(key))")
        }
    }

    func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    func malformed(_ name: String, expected: String, found: String) -> TokenizerError {
        .malformed(file: file, path: place(name), expected: expected, found: found)
    }

    func malformed(_ name: String, expected: String, _ value: JSONValue?) -> TokenizerError {
        malformed(name, expected: expected, found: value.map(Self.describe) ?? "nothing")
    }

    func unsupported(_ name: String, _ component: String) -> TokenizerError {
        .unsupported(file: file, path: place(name), component: component)
    }

    static func describe(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): quotedForMessage(text)
        case .integer(let number): "\(number)"
        case .number(let number): "\(number)"
        case .bool(let flag): "\(flag)"
        default: value.kindDescription
        }
    }

    /// The member, unless it is missing or null.
    func value(_ name: String) -> JSONValue? {
        guard let value = members[name], !value.isNull else { return nil }
        return value
    }

    func section(_ name: String) throws(TokenizerError) -> TokenizerFileSection? {
        guard let value = value(name) else { return nil }
        guard let object = value.objectValue else { throw malformed(name, expected: "an object", value) }
        return TokenizerFileSection(file: file, path: place(name), members: object)
    }

    func sections(_ name: String) throws(TokenizerError) -> [TokenizerFileSection] {
        var sections: [TokenizerFileSection] = []
        for (index, element) in try array(name).enumerated() {
            guard let object = element.objectValue else { throw malformed("\(name)[\(index)]", expected: "an object", element) }
            sections.append(TokenizerFileSection(file: file, path: place("\(name)[\(index)]"), members: object))
        }
        return sections
    }

    func array(_ name: String) throws(TokenizerError) -> [JSONValue] {
        guard let array = value(name)?.arrayValue else { throw malformed(name, expected: "an array", members[name]) }
        return array
    }

    func string(_ name: String) throws(TokenizerError) -> String {
        guard let string = value(name)?.stringValue else { throw malformed(name, expected: "a string", members[name]) }
        return string
    }

    func bytes(_ name: String) throws(TokenizerError) -> [UInt8] { Array(try string(name).utf8) }

    func optionalString(_ name: String) throws(TokenizerError) -> String? {
        value(name) == nil ? nil : try string(name)
    }

    func bool(_ name: String, default standard: Bool? = nil) throws(TokenizerError) -> Bool {
        if let standard, value(name) == nil { return standard }
        guard let bool = value(name)?.boolValue else { throw malformed(name, expected: "true or false", members[name]) }
        return bool
    }

    /// A count or length: not negative.
    func count(_ name: String, default standard: Int? = nil) throws(TokenizerError) -> Int {
        if let standard, value(name) == nil { return standard }
        guard let count = value(name)?.intValue, count >= 0 else {
            throw malformed(name, expected: "a whole number, not negative", members[name])
        }
        return count
    }

    /// A token id: 0 to 2^32 - 1, as in the original.
    func id(_ name: String) throws(TokenizerError) -> Int { try id(members[name], at: name) }

    func id(_ value: JSONValue?, at name: String) throws(TokenizerError) -> Int {
        guard let id = value?.intValue, id >= 0, id <= Int(UInt32.max) else {
            throw malformed(name, expected: "a token id", value)
        }
        return id
    }
}
