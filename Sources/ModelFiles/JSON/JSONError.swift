import Tensors

/// Why bytes are not a JSON document, with the offset of the byte where that shows.
public enum JSONError: Error, Equatable, Sendable {
    case unexpectedEnd(offset: Int)
    case unexpectedByte(UInt8, expected: String, offset: Int)
    case invalidUTF8(offset: Int)
    case invalidEscape(offset: Int)
    case controlCharacterInString(offset: Int)
    case invalidNumber(offset: Int)
    case numberOutOfRange(offset: Int)
    case duplicateKey(String, offset: Int)
    case tooDeep(limit: Int, offset: Int)
    case trailingBytes(offset: Int)
    /// Only from the writer: JSON has no word for infinity or NaN.
    case numberNotFinite
}

extension JSONError: CustomStringConvertible {
    /// One line.
    public var description: String {
        switch self {
        case .unexpectedEnd(let offset): "JSON ends too early at byte \(offset)"
        case .unexpectedByte(let byte, let expected, let offset):
            "expected \(expected) at byte \(offset) of the JSON, found \(Self.name(of: byte))"
        case .invalidUTF8(let offset): "JSON is not valid UTF-8 at byte \(offset)"
        case .invalidEscape(let offset): "invalid escape in a JSON string at byte \(offset)"
        case .controlCharacterInString(let offset): "unescaped control character in a JSON string at byte \(offset)"
        case .invalidNumber(let offset): "invalid JSON number at byte \(offset)"
        case .numberOutOfRange(let offset): "JSON number too large at byte \(offset)"
        case .duplicateKey(let key, let offset): "duplicate JSON key \(quotedForMessage(key)) at byte \(offset)"
        case .tooDeep(let limit, let offset): "JSON nested deeper than \(limit) at byte \(offset)"
        case .trailingBytes(let offset): "bytes after the end of the JSON value at byte \(offset)"
        case .numberNotFinite: "a number that is infinite or not a number cannot be written as JSON"
        }
    }

    private static func name(of byte: UInt8) -> String {
        let printable: ClosedRange<UInt8> = 0x20...0x7E
        if printable.contains(byte) { return "'\(Character(Unicode.Scalar(byte)))'" }
        let digits = String(byte, radix: 16, uppercase: true)
        return "byte 0x" + (digits.count == 1 ? "0" : "") + digits
    }
}
