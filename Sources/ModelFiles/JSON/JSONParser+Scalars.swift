extension JSONParser {
    /// At the opening quote.
    mutating func parseString() throws(JSONError) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                let text = try decodeUTF8(start..<position)
                position += 1
                return text
            case UInt8(ascii: "\\"): return try parseEscapedString(from: start)
            case 0..<0x20: throw .controlCharacterInString(offset: position)
            default: position += 1
            }
        }
        throw .unexpectedEnd(offset: position)
    }

    /// The slow path, at the first backslash of a string whose text starts at `start`.
    private mutating func parseEscapedString(from start: Int) throws(JSONError) -> String {
        var text = try decodeUTF8(start..<position)
        var runStart = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                text += try decodeUTF8(runStart..<position)
                position += 1
                return text
            case UInt8(ascii: "\\"):
                text += try decodeUTF8(runStart..<position)
                text.unicodeScalars.append(try parseEscape())
                runStart = position
            case 0..<0x20: throw .controlCharacterInString(offset: position)
            default: position += 1
            }
        }
        throw .unexpectedEnd(offset: position)
    }

    private mutating func parseEscape() throws(JSONError) -> Unicode.Scalar {
        let offset = position
        position += 1
        let kind = try peek()
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(kind)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw .invalidEscape(offset: offset)
        }
        let first = try parseHexDigits(escapeAt: offset)
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A high surrogate must be followed by the escape of a low one.
        guard first < 0xDC00, position + 1 < bytes.count,
            bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
        else { throw .invalidEscape(offset: offset) }
        position += 2
        let second = try parseHexDigits(escapeAt: offset)
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
        else { throw .invalidEscape(offset: offset) }
        return scalar
    }

    private mutating func parseHexDigits(escapeAt offset: Int) throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = try peek()
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw .invalidEscape(offset: offset)
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private func decodeUTF8(_ range: Range<Int>) throws(JSONError) -> String {
        let part = UnsafeRawBufferPointer(rebasing: bytes[range])
        let text = part.withMemoryRebound(to: UInt8.self) { String(validating: $0, as: UTF8.self) }
        guard let text else { throw .invalidUTF8(offset: range.lowerBound + Self.validPrefixLength(part)) }
        return text
    }

    private static func validPrefixLength(_ bytes: UnsafeRawBufferPointer) -> Int {
        var parser = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var length = 0
        while case .valid(let scalar) = parser.parseScalar(from: &iterator) { length += scalar.count }
        return length
    }

    /// At a digit or the minus sign.
    mutating func parseNumber() throws(JSONError) -> JSONValue {
        let start = position
        let negative = bytes[position] == UInt8(ascii: "-")
        if negative { position += 1 }
        let firstDigit = position
        var integer: Int64? = 0
        while position < bytes.count, let digit = digit(bytes[position]) {
            integer = integer.flatMap { Self.append(digit, to: $0, negative: negative) }
            position += 1
        }
        let digits = position - firstDigit
        guard digits > 0, digits == 1 || bytes[firstDigit] != UInt8(ascii: "0") else { throw .invalidNumber(offset: start) }

        var whole = true
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            whole = false
            position += 1
            try requireDigits(numberAt: start)
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            whole = false
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            try requireDigits(numberAt: start)
        }
        // "-0" stays a double: an integer would lose its sign.
        if whole, let integer, !(negative && integer == 0) { return .integer(integer) }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let value = Double(text) else { throw .invalidNumber(offset: start) }
        guard value.isFinite else { throw .numberOutOfRange(offset: start) }
        return .number(value)
    }

    private mutating func requireDigits(numberAt start: Int) throws(JSONError) {
        let first = position
        while position < bytes.count, digit(bytes[position]) != nil { position += 1 }
        if position == first { throw .invalidNumber(offset: start) }
    }

    private func digit(_ byte: UInt8) -> Int64? {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int64(byte - UInt8(ascii: "0")) : nil
    }

    private static func append(_ digit: Int64, to value: Int64, negative: Bool) -> Int64? {
        let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, overflowToo) = negative ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
        return overflow || overflowToo ? nil : sum
    }
}
