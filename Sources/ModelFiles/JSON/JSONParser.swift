extension JSONValue {
    /// Parses one JSON document, strictly: RFC 8259 with no extension, UTF-8 without byte order mark, no key twice in an object,
    /// nothing but white space after the value, no lone surrogate escape.
    ///
    /// Cost: one pass over the bytes. Memory: less than 64 times the number of bytes, whatever they are.
    /// - Parameter maximumDepth: how many arrays and objects may be open at once.
    /// - Throws: `JSONError` with the offset of the offending byte.
    public static func parse(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 128) throws(JSONError) -> JSONValue {
        var parser = JSONParser(bytes: bytes, maximumDepth: maximumDepth)
        return try parser.parseDocument()
    }

    /// As `parse(_:maximumDepth:)` on raw bytes.
    public static func parse(_ bytes: [UInt8], maximumDepth: Int = 128) throws(JSONError) -> JSONValue {
        // The standard library's closure does not carry the error's type, hence the detour through Result.
        let result: Result<JSONValue, JSONError> = bytes.withUnsafeBytes { raw in
            do throws(JSONError) { return .success(try parse(raw, maximumDepth: maximumDepth)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// As `parse(_:maximumDepth:)` on raw bytes.
    public static func parse(_ text: String, maximumDepth: Int = 128) throws(JSONError) -> JSONValue {
        try parse(Array(text.utf8), maximumDepth: maximumDepth)
    }
}

/// Recursive descent over bytes. Every read is guarded by `position < bytes.count`.
struct JSONParser {
    let bytes: UnsafeRawBufferPointer
    let maximumDepth: Int
    var position = 0
    private var depth = 0

    init(bytes: UnsafeRawBufferPointer, maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    mutating func parseDocument() throws(JSONError) -> JSONValue {
        skipWhitespace()
        let value = try parseValue()
        skipWhitespace()
        if position < bytes.count { throw .trailingBytes(offset: position) }
        return value
    }

    private mutating func parseValue() throws(JSONError) -> JSONValue {
        let byte = try peek()
        switch byte {
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "{"): return .object(try parseObject())
        case UInt8(ascii: "["): return .array(try parseArray())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        case UInt8(ascii: "t"):
            try expect("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try expect("null")
            return .null
        default: throw .unexpectedByte(byte, expected: "a value", offset: position)
        }
    }

    private mutating func parseArray() throws(JSONError) -> [JSONValue] {
        try enter()
        defer { depth -= 1 }
        var elements: [JSONValue] = []
        skipWhitespace()
        if try consume(UInt8(ascii: "]")) { return elements }
        while true {
            skipWhitespace()
            elements.append(try parseValue())
            skipWhitespace()
            if try consume(UInt8(ascii: "]")) { return elements }
            try require(UInt8(ascii: ","), expected: "',' or ']'")
        }
    }

    private mutating func parseObject() throws(JSONError) -> JSONObject {
        try enter()
        defer { depth -= 1 }
        var object = JSONObject()
        skipWhitespace()
        if try consume(UInt8(ascii: "}")) { return object }
        while true {
            skipWhitespace()
            let keyOffset = position
            let byte = try peek()
            guard byte == UInt8(ascii: "\"") else { throw .unexpectedByte(byte, expected: "a key", offset: position) }
            let key = try parseString()
            skipWhitespace()
            try require(UInt8(ascii: ":"), expected: "':'")
            skipWhitespace()
            let value = try parseValue()
            guard object.append(key, value) else { throw .duplicateKey(key, offset: keyOffset) }
            skipWhitespace()
            if try consume(UInt8(ascii: "}")) { return object }
            try require(UInt8(ascii: ","), expected: "',' or '}'")
        }
    }

    /// Steps over the opening bracket.
    private mutating func enter() throws(JSONError) {
        guard depth < maximumDepth else { throw .tooDeep(limit: maximumDepth, offset: position) }
        depth += 1
        position += 1
    }

    mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    func peek() throws(JSONError) -> UInt8 {
        guard position < bytes.count else { throw .unexpectedEnd(offset: position) }
        return bytes[position]
    }

    private mutating func consume(_ byte: UInt8) throws(JSONError) -> Bool {
        guard try peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func require(_ byte: UInt8, expected: String) throws(JSONError) {
        let found = try peek()
        guard found == byte else { throw .unexpectedByte(found, expected: expected, offset: position) }
        position += 1
    }

    private mutating func expect(_ word: StaticString) throws(JSONError) {
        for index in 0..<word.utf8CodeUnitCount {
            let found = try peek()
            guard found == word.utf8Start[index] else {
                throw .unexpectedByte(found, expected: "\(word)", offset: position)
            }
            position += 1
        }
    }
}
