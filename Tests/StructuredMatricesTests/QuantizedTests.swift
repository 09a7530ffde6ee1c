import StructuredMatrices
import Tensors
import Testing

@Suite struct QuantizedTests {
    @Test(arguments: Quantized.supportedBits, [1, 2, 3, 5, 7, 8, 9, 16, 31, 33, 64, 67])
    func everyCodeUnpacksToItself(bits: Int, columns: Int) throws {
        let range = Quantized.range(bits: bits)
        // Two rows: the second shows that a row starts on a byte of its own.
        let codes = (0..<2 * columns).map { Int8(range.lowerBound + $0 % range.count) }
        let matrix = try Quantized(
            codes: codes, scales: [1, 1], shape: MatrixShape(rows: 2, columns: columns), bits: bits,
            groupSize: columns)
        #expect(matrix.dense().elements == codes.map(Float.init))
        #expect(matrix.codes.shape == [2, (columns * bits + 7) / 8])
        #expect(matrix.cost.storedBytes == 2 * ((columns * bits + 7) / 8) + 4)
        #expect(matrix.cost.parameters == 2 * columns + 2)
    }

    /// The layout on disk: unsigned values, lowest bits first.
    @Test func bytesOnDisk() throws {
        func bytes(_ codes: [Int8], bits: Int) throws -> [UInt8] {
            try Quantized(
                codes: codes, scales: [1], shape: MatrixShape(rows: 1, columns: codes.count), bits: bits,
                groupSize: 8
            ).codes.withBytes(Array.init)
        }
        #expect(try bytes([-2, -1, 0, 1, 1], bits: 2) == [0b11_10_01_00, 0b11])
        #expect(try bytes([-4, -3, 3, 0], bits: 3) == [0b11_001_000, 0b100_1])
        #expect(try bytes([-8, 7, 0], bits: 4) == [0xF0, 0x08])
        #expect(try bytes([-16, 15, 0], bits: 5) == [0b111_00000, 0b010000_11])
        #expect(try bytes([-32, 31, 0], bits: 6) == [0b11_000000, 0b0000_1111, 0b10])
        #expect(try bytes([-128, 127, 0], bits: 8) == [0, 255, 128])
    }

    @Test func scalesBelongToGroups() throws {
        let matrix = try Quantized(
            codes: [1, 2, 3, -4, 5, 6, 7, -8], scales: [1, 0.5, 2, 0.25],
            shape: MatrixShape(rows: 2, columns: 4), bits: 4,
            groupSize: 3)
        #expect(matrix.dense().elements == [1, 2, 3, -2, 10, 12, 14, -2])
        // Scales are kept as binary16: 1/3 is rounded.
        let third = try Quantized(
            codes: [1], scales: [1 / 3], shape: MatrixShape(rows: 1, columns: 1), bits: 8, groupSize: 1)
        #expect(third.dense().elements == [Precision.f16.rounded(1 / 3)])
    }

    @Test func wrongCountsAndCodesAreRefused() {
        let shape = MatrixShape(rows: 2, columns: 3)
        func message(codes: [Int8], scales: Int, bits: Int = 4, groupSize: Int = 2) -> String {
            do {
                let scales = [Float](repeating: 1, count: scales)
                return
                    "\(try Quantized(codes: codes, scales: scales, shape: shape, bits: bits, groupSize: groupSize).shape)"
            } catch { return "\(error)" }
        }
        let zeros = [Int8](repeating: 0, count: 6)
        let prefix = "quantized cannot represent a 2 x 3 matrix: "
        #expect(message(codes: zeros, scales: 4) == "2 x 3")
        #expect(message(codes: zeros, scales: 3) == prefix + "it needs 4 scales, got 3")
        #expect(message(codes: [0], scales: 4) == prefix + "it needs 6 codes, got 1")
        #expect(message(codes: zeros, scales: 4, bits: 7) == prefix + "bits must be 2, 3, 4, 5, 6 or 8, got 7")
        #expect(
            message(codes: zeros, scales: 4, groupSize: 0) == prefix
                + "groups must have at least one weight, got 0")
        #expect(message(codes: zeros.dropLast() + [8], scales: 4) == prefix + "code 8 does not fit 4 bits")
    }
}
