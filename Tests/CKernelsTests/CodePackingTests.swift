import CKernels
import Testing

/// The layout of packed codes, byte by byte as documented, and streams of codes taken apart.
@Suite struct CodePackingTests {
    @Test(arguments: [8, 4, 2], [32, 96, 128])
    func everyCodeIsWhereTheLayoutSays(bits: Int, groupSize: Int) {
        for (rows, columns) in [(1, 1), (16, 33), (70, 100), (129, 260)] {
            var source = SeededValues(seed: 61)
            let groups = (columns + groupSize - 1) / groupSize, zero = 1 << (bits - 1)
            let stride = columns + 5, scaleStride = groups + 1
            let codes = (0..<rows * stride).map { _ in UInt8(source.nextBits() >> 30 & UInt64(1 << bits - 1)) }
            let scales = (0..<rows * scaleStride).map { _ in UInt16(truncatingIfNeeded: source.nextBits()) }
            let bytes = tessera_code_panel_bytes(bits, groupSize, rows, columns)
            let packed = EdgeBuffer([UInt8](repeating: 0xa5, count: bytes))
            tessera_pack_codes(
                bits, groupSize, zero, codes, stride, scales, scaleStride, rows, columns, packed.start)
            let found = packed.array
            var group = 0
            for start in Swift.stride(from: 0, to: rows, by: 64) {
                let height = min(64, (rows - start + 15) / 16 * 16)
                for index in 0..<groups {
                    for row in 0..<height {
                        let inside = start + row < rows
                        for column in 0..<groupSize {
                            let quad = column / 4, shares = 8 / bits
                            let byte = found[group + (quad / shares * height + row) * 4 + column % 4]
                            let code = Int(byte) >> (quad % shares * bits) & (1 << bits - 1)
                            let at = index * groupSize + column
                            let expected = inside && at < columns ? Int(codes[(start + row) * stride + at]) : zero
                            if code != expected { #expect(code == expected, "row \(start + row), column \(at)") }
                        }
                        let at = group + height * groupSize * bits / 8 + 2 * row
                        let scale = UInt16(found[at]) | UInt16(found[at + 1]) << 8
                        #expect(scale == (inside ? scales[(start + row) * scaleStride + index] : 0))
                    }
                    group += height * groupSize * bits / 8 + 2 * height
                }
            }
            #expect(group == bytes)
        }
    }

    @Test(arguments: 1...8)
    func streamsAreTakenApart(bits: Int) {
        for count in [0, 1, 7, 8, 9, 31, 100] {
            var source = SeededValues(seed: 62)
            let codes = (0..<count).map { _ in UInt8(source.nextBits() >> 30 & UInt64(1 << bits - 1)) }
            var stream = [UInt8](repeating: 0, count: (count * bits + 7) / 8)
            for (index, code) in codes.enumerated() {
                for bit in 0..<bits where code >> UInt8(bit) & 1 == 1 {
                    stream[(index * bits + bit) / 8] |= 1 << UInt8((index * bits + bit) % 8)
                }
            }
            let target = EdgeBuffer<UInt8>(repeating: 0xa5, count: count)
            let packed = EdgeBuffer(stream)
            tessera_unpack_codes(bits, packed.start, count, target.start)
            #expect(target.array == codes)
        }
    }
}
