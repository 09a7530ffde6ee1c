/// The scalars of UTF-8 that is known to be valid (it came out of a `String`), each with the offset of its first byte.
struct UTF8Scalars: Sequence, IteratorProtocol {
    private let bytes: ArraySlice<UInt8>
    private(set) var offset: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        offset = bytes.startIndex
    }

    init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    mutating func next() -> (scalar: Unicode.Scalar, offset: Int)? {
        guard offset < bytes.endIndex else { return nil }
        let start = offset
        let first = bytes[start]
        let length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        offset = Swift.min(start + length, bytes.endIndex)
        guard length > 1 else { return (Unicode.Scalar(first), start) }
        var value = UInt32(first) & (0x7F >> UInt32(length))
        for byte in bytes[(start + 1)..<offset] { value = value << 6 | UInt32(byte & 0x3F) }
        return (Unicode.Scalar(value) ?? "\u{FFFD}", start)
    }

    /// The last scalar of the bytes.
    static func last(of bytes: ArraySlice<UInt8>) -> Unicode.Scalar? {
        var start = bytes.endIndex
        while start > bytes.startIndex {
            start -= 1
            if bytes[start] & 0xC0 != 0x80 { break }
        }
        var scalars = UTF8Scalars(bytes[start...])
        return scalars.next()?.scalar
    }
}

extension [UInt8] {
    mutating func append(_ scalar: Unicode.Scalar) {
        if scalar.isASCII { append(UInt8(truncatingIfNeeded: scalar.value)) } else { append(contentsOf: UTF8.encode(scalar) ?? .init()) }
    }

    /// Every occurrence of `pattern`, found from the left and not overlapping, replaced. An empty pattern replaces nothing.
    func replacing(_ pattern: [UInt8], with replacement: [UInt8]) -> [UInt8] {
        guard let first = pattern.first, count >= pattern.count else { return self }
        var result: [UInt8] = []
        result.reserveCapacity(count)
        var position = 0
        while position < count {
            if self[position] == first, self[position...].starts(with: pattern) {
                result.append(contentsOf: replacement)
                position += pattern.count
            } else {
                result.append(self[position])
                position += 1
            }
        }
        return result
    }
}
