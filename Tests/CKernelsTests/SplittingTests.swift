import CKernels
import Testing

/// The bits of an element of a product do not depend on the call that computes it: this is what lets callers share work among
/// any number of threads and still get the same bytes.
@Suite struct SplittingTests {
    static let inner = [5, 33, 100, 384, 1500]

    /// 0 ..< count cut at awkward places.
    static func pieces(_ count: Int, _ lengths: [Int]) -> [Range<Int>] {
        var ranges: [Range<Int>] = [], start = 0, index = 0
        while start < count {
            let end = min(count, start + lengths[index % lengths.count])
            ranges.append(start..<end)
            start = end
            index += 1
        }
        return ranges
    }

    @Test(arguments: Variant.available, inner)
    func productInPieces(variant: Variant, input: Int) {
        let kernels = variant.kernels
        var values = SeededValues(seed: 3)
        let batch = 29, out = 43
        let x = values.floats(batch * input), w = values.floats(out * input), start = values.floats(batch * out)
        for accumulate in [false, true] {
            var whole = start
            kernels.product(x, input, w, input, &whole, out, batch, out, input, accumulate)
            for lengths in [[1], [3, 1, 7, 2], [5], [11, 4], [16, 1]] {
                var pieced = start
                for rows in Self.pieces(batch, lengths.reversed()) {
                    for columns in Self.pieces(out, lengths) {
                        x.withUnsafeBufferPointer { x in
                            w.withUnsafeBufferPointer { w in
                                pieced.withUnsafeMutableBufferPointer { y in
                                    guard let x = x.baseAddress, let w = w.baseAddress, let y = y.baseAddress else { return }
                                    kernels.product(
                                        x + rows.lowerBound * input, input, w + columns.lowerBound * input, input,
                                        y + rows.lowerBound * out + columns.lowerBound, out, rows.count, columns.count,
                                        input, accumulate)
                                }
                            }
                        }
                    }
                }
                #expect(pieced == whole, "pieces of \(lengths), accumulate \(accumulate)")
            }
        }
    }

    @Test(arguments: Variant.available, inner)
    func dotIsOneElementOfTheProduct(variant: Variant, input: Int) {
        let kernels = variant.kernels
        var values = SeededValues(seed: 4)
        for length in [input, 2 * input, 3 * input + 1] {
            for _ in 0..<20 {
                let x = values.floats(length), w = values.floats(length)
                var y: Float = 0
                kernels.product(x, length, w, length, &y, 1, 1, 1, length, false)
                #expect(kernels.dot(x, w, length) == y)
            }
        }
    }

    /// Here the inner dimension may be cut as well.
    @Test(arguments: Variant.available, inner)
    func transposedProductInPieces(variant: Variant, out: Int) {
        let kernels = variant.kernels
        var values = SeededValues(seed: 5)
        let batch = 19, input = 211
        let x = values.floats(batch * out), w = values.floats(out * input), start = values.floats(batch * input)
        for accumulate in [false, true] {
            var whole = start
            kernels.productTransposed(x, out, w, input, &whole, input, batch, out, input, accumulate)
            for lengths in [[1], [3, 1, 7, 2], [5], [11, 4], [16, 1], [70, 3]] {
                var pieced = start
                for inner in Self.pieces(out, [lengths[0] + 40, 64, 1]) {
                    for rows in Self.pieces(batch, lengths.reversed()) {
                        for columns in Self.pieces(input, lengths) {
                            x.withUnsafeBufferPointer { x in
                                w.withUnsafeBufferPointer { w in
                                    pieced.withUnsafeMutableBufferPointer { y in
                                        guard let x = x.baseAddress, let w = w.baseAddress, let y = y.baseAddress else { return }
                                        kernels.productTransposed(
                                            x + rows.lowerBound * out + inner.lowerBound, out,
                                            w + inner.lowerBound * input + columns.lowerBound, input,
                                            y + rows.lowerBound * input + columns.lowerBound, input, rows.count,
                                            inner.count, columns.count, accumulate || inner.lowerBound > 0)
                                    }
                                }
                            }
                        }
                    }
                }
                #expect(pieced == whole, "pieces of \(lengths), accumulate \(accumulate)")
            }
        }
    }

    /// The same numbers at every offset from a 64-byte boundary.
    @Test(arguments: Variant.available)
    func alignmentDoesNotMatter(variant: Variant) {
        let kernels = variant.kernels
        var values = SeededValues(seed: 6)
        let batch = 5, out = 9, input = 70
        let x = values.floats(batch * input), w = values.floats(out * input)
        var expected = [Float](repeating: 0, count: batch * out)
        kernels.product(x, input, w, input, &expected, out, batch, out, input, false)
        for offset in 0..<16 {
            var shifted = [Float](repeating: 7, count: batch * out + offset)
            let padding = [Float](repeating: 7, count: offset)
            (padding + x).withUnsafeBufferPointer { x in
                (padding + padding + w).withUnsafeBufferPointer { w in
                    shifted.withUnsafeMutableBufferPointer { y in
                        guard let x = x.baseAddress, let w = w.baseAddress, let y = y.baseAddress else { return }
                        kernels.product(
                            x + offset, input, w + 2 * offset, input, y + offset, out, batch, out, input, false)
                    }
                }
            }
            #expect(Array(shifted[offset...]) == expected)
        }
    }
}
