import CKernels
import Testing

@Suite struct DiagonalTests {
    @Test(arguments: Variant.available, awkwardSizes)
    func sumsOfScaledPieces(variant: Variant, width: Int) {
        for (batch, pieces) in [(1, 1), (3, 5), (4, 2), (9, 3), (2, 0)] {
            let xStride = pieces * width + 2, sStride = width + 3, yStride = width + 1
            var values = SeededValues(seed: 12)
            let x = EdgeBuffer(values.floats(max(0, (batch - 1) * xStride + pieces * width)))
            let s = EdgeBuffer(values.floats(max(0, (pieces - 1) * sStride + width)))
            let y = EdgeBuffer<Float>(repeating: 7, count: (batch - 1) * yStride + width)
            variant.kernels.diagonalProduct(x.start, xStride, s.start, sStride, y.start, yStride, batch, pieces, width)
            var single = y.array
            for row in 0..<batch {
                for column in 0..<width {
                    var (exact, size) = (0.0, 0.0)
                    for piece in 0..<pieces {
                        let term = Double(s.start[piece * sStride + column])
                            * Double(x.start[row * xStride + piece * width + column])
                        exact += term
                        size += abs(term)
                    }
                    #expect(abs(Double(y.start[row * yStride + column]) - exact) <= 1e-6 * size)
                    // Row by row and column by column: the same bits, and nothing between the rows.
                    single.withUnsafeMutableBufferPointer { single in
                        guard let base = single.baseAddress else { return }
                        base[row * yStride + column] = 0
                    }
                }
                single.withUnsafeMutableBufferPointer { single in
                    guard let base = single.baseAddress else { return }
                    variant.kernels.diagonalProduct(
                        x.start + row * xStride, xStride, s.start, sStride, base + row * yStride, yStride, 1, pieces, width)
                }
                if row + 1 < batch { #expect(y.start[row * yStride + width] == 7) }
            }
            #expect(single == y.array)
        }
    }
}
