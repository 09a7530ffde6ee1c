import Tensors

extension SeededGenerator {
    /// Uniform in (-1, 1), 24 random bits each; two from every word, because a large matrix wants many.
    package mutating func uniform(_ count: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            var index = 0
            while index < count {
                let word = next()
                buffer[index] = Self.signed(UInt32(truncatingIfNeeded: word >> 8))
                if index + 1 < count {
                    buffer[index + 1] = Self.signed(UInt32(truncatingIfNeeded: word >> 40))
                }
                index += 2
            }
            initialized = count
        }
    }

    /// Centres of 2^24 equal parts of (-1, 1).
    private static func signed(_ bits: UInt32) -> Float { Float(bits & 0xFF_FFFF) * 0x1p-23 - (1 - 0x1p-24) }

    package mutating func matrix(rows: Int, columns: Int) -> Matrix {
        Matrix(rows: rows, columns: columns, elements: uniform(rows * columns))
    }

    /// Integers of a range of at most 256, evenly (each byte taken modulo the range's power of two).
    mutating func codes(_ count: Int, bits: Int) -> [Int8] {
        let (mask, offset) = (UInt8(truncatingIfNeeded: (1 << bits) - 1), 1 << (bits - 1))
        return [Int8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var word: UInt64 = 0
            for index in 0..<count {
                if index % 8 == 0 { word = next() }
                buffer[index] = Int8(truncatingIfNeeded: Int(UInt8(truncatingIfNeeded: word) & mask) - offset)
                word >>= 8
            }
            initialized = count
        }
    }
}
