import CKernels
import Testing

/// Group-quantized rows of every variant, against codes packed and read here one by one.
@Suite struct QuantizedTests {
    static let widths = [8, 6, 5, 4, 3, 2]
    static let groupSizes = [1, 5, 7, 16, 24, 32, 64, 100, 128]

    /// A matrix of random codes with a random scale for each group.
    struct Matrix {
        let bits: Int, rows: Int, columns: Int, groupSize: Int, rowBytes: Int, scaleStride: Int
        let values: [Float]
        let codes: EdgeBuffer<UInt8>, scales: EdgeBuffer<UInt16>

        init(bits: Int, rows: Int, columns: Int, groupSize: Int, spare: Int, seed: UInt64) {
            var source = SeededValues(seed: seed)
            let groups = (columns + groupSize - 1) / groupSize, packedBytes = (columns * bits + 7) / 8
            let rowBytes = packedBytes + spare, scaleStride = groups + spare
            var codes = [UInt8](repeating: 0xff, count: max(0, (rows - 1) * rowBytes + packedBytes))
            var scales = [UInt16](repeating: 0x7e00, count: max(0, (rows - 1) * scaleStride + groups))
            var values: [Float] = []
            for row in 0..<rows {
                for byte in 0..<packedBytes { codes[row * rowBytes + byte] = 0 }
                for group in 0..<groups {
                    // A finite binary16 between 2^-8 and 1, either sign.
                    scales[row * scaleStride + group] = UInt16(0x1c00 + source.nextBits() % 0x2000) | (source.nextBits() & 1 == 0 ? 0 : 0x8000)
                }
                for column in 0..<columns {
                    let code = Int(source.nextBits() >> 33) & (1 << bits - 1)
                    for bit in 0..<bits where code >> bit & 1 == 1 {
                        let position = bits * column + bit
                        codes[row * rowBytes + position / 8] |= 1 << UInt8(position % 8)
                    }
                    let scale = Float(ConversionTests.value(
                        scales[row * scaleStride + column / groupSize], exponentBits: 5, fractionBits: 10))
                    values.append(scale * Float(code - (1 << (bits - 1))))
                }
            }
            (self.bits, self.rows, self.columns, self.groupSize) = (bits, rows, columns, groupSize)
            (self.rowBytes, self.scaleStride, self.values) = (rowBytes, scaleStride, values)
            (self.codes, self.scales) = (EdgeBuffer(codes), EdgeBuffer(scales))
        }
    }

    @Test(arguments: Variant.available, widths)
    func rowsDequantizeExactly(variant: Variant, bits: Int) {
        for groupSize in Self.groupSizes {
            for columns in awkwardSizes {
                let row = Matrix(bits: bits, rows: 1, columns: columns, groupSize: groupSize, spare: 0, seed: 16)
                let y = EdgeBuffer<Float>(repeating: 9, count: columns)
                variant.kernels.dequantizeRow(row.codes.start, bits, row.scales.start, groupSize, y.start, columns)
                #expect(y.array == row.values, "\(columns) columns in groups of \(groupSize)")
            }
        }
    }

    @Test(arguments: Variant.available, widths)
    func productEqualsDequantizedProduct(variant: Variant, bits: Int) {
        let kernels = variant.kernels
        for (out, input, groupSize) in [(1, 7, 32), (5, 64, 32), (16, 100, 64), (17, 385, 32), (35, 48, 16), (50, 33, 5)] {
            let matrix = Matrix(bits: bits, rows: out, columns: input, groupSize: groupSize, spare: 3, seed: 17)
            let scratch = EdgeBuffer<Float>(repeating: .nan, count: 16 * input)
            for batch in [1, 2, 5, 17] {
                var values = SeededValues(seed: 18)
                let x = values.floats(batch * (input + 1)), start = values.floats(batch * (out + 2))
                for accumulate in [false, true] {
                    var expected = start, got = start
                    kernels.product(
                        x, input + 1, matrix.values, input, &expected, out + 2, batch, out, input, accumulate)
                    kernels.quantizedProduct(
                        x, input + 1, matrix.codes.start, bits, matrix.rowBytes, matrix.scales.start, matrix.scaleStride,
                        groupSize, &got, out + 2, batch, out, input, accumulate, scratch.start)
                    #expect(got == expected, "batch \(batch), \(out) x \(input) in groups of \(groupSize)")
                }
            }
        }
    }
}
