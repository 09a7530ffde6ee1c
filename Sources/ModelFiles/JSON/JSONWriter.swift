extension JSONValue {
    /// The document as UTF-8: members in their order, doubles in the shortest form that reads back the same, so equal values
    /// give equal bytes.
    /// - Parameter pretty: two spaces for each level and a line for each element, ending in a newline; else no white space.
    /// - Throws: `JSONError.numberNotFinite`.
    public func serialized(pretty: Bool = false) throws(JSONError) -> [UInt8] {
        var writer = JSONWriter(pretty: pretty)
        try writer.write(self, level: 0)
        if pretty { writer.bytes.append(UInt8(ascii: "\n")) }
        return writer.bytes
    }

    /// `serialized(pretty:)` as a string.
    public func text(pretty: Bool = false) throws(JSONError) -> String {
        String(decoding: try serialized(pretty: pretty), as: UTF8.self)
    }
}

private struct JSONWriter {
    let pretty: Bool
    var bytes: [UInt8] = []

    init(pretty: Bool) { self.pretty = pretty }

    mutating func write(_ value: JSONValue, level: Int) throws(JSONError) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .integer(let value): append(value.description)
        case .number(let value):
            guard value.isFinite else { throw .numberNotFinite }
            append(value.description)
        case .string(let text): writeString(text)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                separate(index: index, level: level + 1)
                try write(element, level: level + 1)
            }
            close(UInt8(ascii: "]"), empty: elements.isEmpty, level: level)
        case .object(let object):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in object.enumerated() {
                separate(index: index, level: level + 1)
                writeString(member.key)
                append(pretty ? ": " : ":")
                try write(member.value, level: level + 1)
            }
            close(UInt8(ascii: "}"), empty: object.isEmpty, level: level)
        }
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func separate(index: Int, level: Int) {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        if pretty { startLine(level: level) }
    }

    private mutating func close(_ bracket: UInt8, empty: Bool, level: Int) {
        if pretty && !empty { startLine(level: level) }
        bytes.append(bracket)
    }

    private mutating func startLine(level: Int) {
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * level))
    }

    private mutating func writeString(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): append("\\\"")
            case UInt8(ascii: "\\"): append("\\\\")
            case 0x08: append("\\b")
            case 0x09: append("\\t")
            case 0x0A: append("\\n")
            case 0x0C: append("\\f")
            case 0x0D: append("\\r")
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                append("\\u00" + (digits.count == 1 ? "0" : "") + digits)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
