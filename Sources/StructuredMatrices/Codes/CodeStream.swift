/// How families of small integers store their codes: per row a little-endian stream of q + 2^(bits - 1), padded to whole
/// bytes.
enum CodeStream {
    static func rowBytes(columns: Int, bits: Int) -> Int { (columns * bits + 7) / 8 }

    /// - Parameter codes: q, rows x columns, each within -2^(bits - 1)...2^(bits - 1) - 1.
    static func pack(_ codes: [Int8], rows: Int, columns: Int, bits: Int) -> [UInt8] {
        let rowBytes = rowBytes(columns: columns, bits: bits)
        let zero = 1 << (bits - 1)
        var packed = [UInt8](repeating: 0, count: rows * rowBytes)
        packed.withUnsafeMutableBufferPointer { packed in
            codes.withUnsafeBufferPointer { codes in
                for row in 0..<rows {
                    // Codes wait in a word until they fill bytes.
                    var (word, held, byte) = (UInt(0), 0, row * rowBytes)
                    for column in 0..<columns {
                        word |= UInt(Int(codes[row * columns + column]) + zero) << UInt(held)
                        held += bits
                        while held >= 8 {
                            packed[byte] = UInt8(truncatingIfNeeded: word)
                            (word, held, byte) = (word >> 8, held - 8, byte + 1)
                        }
                    }
                    if held > 0 { packed[byte] = UInt8(truncatingIfNeeded: word) }
                }
            }
        }
        return packed
    }
}
