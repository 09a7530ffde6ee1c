import CKernels
import Testing

/// Sizes of 0 in every place: nothing is read, nothing outside the result is written, and the call returns.
@Suite struct EmptyProductTests {
    @Test(arguments: Variant.available, [(0, 3, 5), (2, 0, 5), (2, 3, 0), (0, 0, 0)])
    func emptySizes(variant: Variant, size: (batch: Int, out: Int, in: Int)) {
        let x = [Float](repeating: 2, count: 10), w = [Float](repeating: 3, count: 15)
        for accumulate in [false, true] {
            var y = [Float](repeating: 7, count: 10)
            variant.kernels.product(x, 5, w, 5, &y, 5, size.batch, size.out, size.in, accumulate)
            for (index, value) in y.enumerated() {
                let inside = index / 5 < size.batch && index % 5 < size.out
                #expect(value == (inside && !accumulate ? 0 : 7))
            }
            y = [Float](repeating: 7, count: 10)
            variant.kernels.productTransposed(x, 5, w, 5, &y, 5, size.batch, size.out, size.in, accumulate)
            for (index, value) in y.enumerated() {
                let inside = index / 5 < size.batch && index % 5 < size.in
                // 2 * 3 summed over `out` terms.
                #expect(value == (inside ? (accumulate ? 7 : 0) + Float(6 * size.out) : 7))
            }
        }
    }
}
