import CKernels
import Testing

/// A table of products with codes this processor runs, as a test argument.
struct CodeVariant: Sendable, CustomTestStringConvertible {
    let name: String

    var testDescription: String { name }

    var kernels: tessera_code_kernels { (tessera_codes_named(name) ?? tessera_codes_portable()).pointee }

    /// Slowest first.
    static let available: [CodeVariant] = ["portable", "neon", "neondot", "avx2", "avx512", "avx512vnni"]
        .filter { (name: String) in tessera_codes_named(name) != nil }
        .map { CodeVariant(name: $0) }
}

/// Rows of X rounded, with memory nobody may read or write behind.
struct RoundedRows {
    let codes: EdgeBuffer<Int8>, scales: EdgeBuffer<Float>, sums: EdgeBuffer<Int32>
    let rows: tessera_quantized_rows

    init(_ variant: CodeVariant, _ x: [Float], stride: Int, batch: Int, columns: Int, groupSize: Int) {
        let groups = (columns + groupSize - 1) / groupSize
        codes = EdgeBuffer(repeating: 77, count: batch * groups * groupSize)
        scales = EdgeBuffer(repeating: 9, count: batch * groups)
        sums = EdgeBuffer(repeating: 9, count: batch * groups)
        rows = tessera_quantized_rows(
            codes: codes.start, scales: scales.start, sums: sums.start, groups: groups, groupSize: groupSize)
        variant.kernels.quantizeRows(x, stride, batch, columns, rows)
    }
}

/// A matrix of codes, packed, and its codes and scales beside it.
struct PackedCodeMatrix {
    let bits: Int, zero: Int, groupSize: Int, rows: Int, columns: Int, groups: Int
    /// code - zero and scale of every element.
    let values: [Int], scales: [Float]
    let packed: EdgeBuffer<UInt8>

    init(bits: Int, zero: Int, groupSize: Int, rows: Int, columns: Int, seed: UInt64) {
        var source = SeededValues(seed: seed)
        let groups = (columns + groupSize - 1) / groupSize
        let codes = (0..<rows * columns).map { _ in UInt8(source.nextBits() >> 30 & UInt64(1 << bits - 1)) }
        // Finite binary16 between 2^-8 and 1, either sign.
        let halves = (0..<rows * groups).map { _ in
            UInt16(0x1c00 + source.nextBits() % 0x2000) | (source.nextBits() & 1 == 0 ? 0 : 0x8000)
        }
        var packed = [UInt8](repeating: 0xa5, count: tessera_code_panel_bytes(bits, groupSize, rows, columns))
        tessera_pack_codes(bits, groupSize, zero, codes, columns, halves, groups, rows, columns, &packed)
        (self.bits, self.zero, self.groupSize) = (bits, zero, groupSize)
        (self.rows, self.columns, self.groups) = (rows, columns, groups)
        values = codes.map { Int($0) - zero }
        scales = halves.map { Float(ConversionTests.value($0, exponentBits: 5, fractionBits: 10)) }
        self.packed = EdgeBuffer(packed)
    }
}
