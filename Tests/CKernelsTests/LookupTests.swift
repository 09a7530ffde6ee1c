import CKernels
import Testing

/// A table of products by look-up this processor runs, as a test argument.
struct LookupVariant: Sendable, CustomTestStringConvertible {
    let name: String

    var testDescription: String { name }

    var kernels: tessera_lookup_kernels { (tessera_lookup_named(name) ?? tessera_lookup_portable()).pointee }

    static let available: [LookupVariant] = ["portable", "neon", "avx2", "avx512"]
        .filter { (name: String) in tessera_lookup_named(name) != nil }
        .map { LookupVariant(name: $0) }
}

/// Products with codes of a table of every variant, against the definition computed here.
@Suite struct LookupTests {
    /// No two differ by a multiple of another, so that every mistaken code shows.
    static let table: [Float] = (0..<16).map { Float($0 * $0) * 0.37 - Float($0) * 2.5 + 0.3 }

    static func product(
        _ w: PackedCodeMatrix, _ x: [Float], xStride: Int, batch: Int, start: [Float], stride: Int, accumulate: Bool
    ) -> [Float] {
        var y = start
        for b in 0..<batch {
            for row in 0..<w.rows {
                var total = accumulate ? start[b * stride + row] : 0
                for group in 0..<w.groups {
                    var sum: Float = 0
                    for column in group * w.groupSize..<min(w.columns, (group + 1) * w.groupSize) {
                        sum = sum.addingProduct(
                            x[b * xStride + column], table[w.values[row * w.columns + column] + w.zero])
                    }
                    total = total.addingProduct(sum, w.scales[row * w.groups + group])
                }
                y[b * stride + row] = total
            }
        }
        return y
    }

    @Test(arguments: LookupVariant.available, [32, 64, 96, 128])
    func productsFollowTheDefinition(variant: LookupVariant, groupSize: Int) {
        for (rows, columns) in CodeProductTests.sizes {
            let w = PackedCodeMatrix(bits: 4, zero: 7, groupSize: groupSize, rows: rows, columns: columns, seed: 51)
            for batch in [1, 2, 7, 33] {
                for accumulate in [false, true] {
                    var source = SeededValues(seed: 52)
                    let x = EdgeBuffer(source.floats((batch - 1) * (columns + 1) + columns))
                    let start = source.floats((batch - 1) * (rows + 2) + rows)
                    let y = EdgeBuffer(start)
                    variant.kernels.lookupProduct(
                        Self.table, groupSize, x.start, columns + 1, w.packed.start, y.start, rows + 2, batch, rows,
                        columns, accumulate)
                    let expected = Self.product(
                        w, x.array, xStride: columns + 1, batch: batch, start: start, stride: rows + 2,
                        accumulate: accumulate)
                    #expect(y.array == expected, "\(rows) x \(columns), batch \(batch), accumulating \(accumulate)")
                }
            }
        }
    }

    @Test func dispatchFindsTables() {
        #expect(String(cString: tessera_lookup_portable().pointee.name) == "portable")
        #expect(tessera_lookup_named("nonesuch") == nil)
        let best = String(cString: tessera_lookup_best().pointee.name)
        #expect(LookupVariant.available.contains { $0.name == best })
        #expect(LookupVariant.available.last?.name == best)
    }
}
