/// The alphabet of byte-level tokenizers (GPT-2): every byte as one printable character. Bytes that print stand for
/// themselves (as Latin-1), the others follow from U+0100 on in their order.
enum ByteAlphabet {
    /// U+0000...U+0143: the byte that each scalar stands for, -1 where none.
    private static let bytes: [Int16] = {
        var table = Array(repeating: Int16(-1), count: 0x144)
        for (byte, scalar) in scalars.enumerated() { table[Int(scalar.value)] = Int16(byte) }
        return table
    }()

    static let scalars: [Unicode.Scalar] = {
        var next: UInt16 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
            default:
                defer { next += 1 }
                return Unicode.Scalar(next) ?? "\u{FFFD}"
            }
        }
    }()

    private static let encodings: [[UInt8]] = scalars.map { scalar in
        var bytes: [UInt8] = []
        bytes.append(scalar)
        return bytes
    }

    static func byte(for scalar: Unicode.Scalar) -> UInt8? {
        guard scalar.value < 0x144, bytes[Int(scalar.value)] >= 0 else { return nil }
        return UInt8(truncatingIfNeeded: bytes[Int(scalar.value)])
    }

    static func encode(_ text: inout TextPieces) {
        var encoded: [UInt8] = []
        encoded.reserveCapacity(text.bytes.count + text.bytes.count / 2)
        text.ranges = text.ranges.map { range in
            let start = encoded.count
            for byte in text.bytes[range] { encoded.append(contentsOf: encodings[Int(byte)]) }
            return start..<encoded.count
        }
        text.bytes = encoded
    }

    /// The bytes that the token stands for; the token itself when a character is none of the alphabet, as in added tokens.
    static func decode(_ token: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(token.count)
        for (scalar, _) in UTF8Scalars(token) {
            guard let byte = byte(for: scalar) else { return token }
            decoded.append(byte)
        }
        return decoded
    }
}
