import CKernels
import Testing

@Suite struct PanelGridTests {
    static let grids = [(1, 1), (1, 5), (3, 2), (4, 4), (5, 3), (8, 9), (2, 0), (0, 3)]
    static let batches = [0, 1, 2, 3, 4, 5, 6, 7, 9, 13]

    @Test(arguments: PanelVariant.available, awkwardSizes + [130, 227])
    func sumsOfProducts(variant: PanelVariant, width: Int) {
        var source = SeededValues(seed: 39)
        for (outputs, inputs) in Self.grids {
            let s = EdgeBuffer(source.floats(outputs * inputs * width))
            for batch in Self.batches {
                let zStride = inputs * width + 2, wStride = outputs * width + 1
                let z = EdgeBuffer(source.floats(batch == 0 ? 0 : (batch - 1) * zStride + inputs * width))
                let before = [Float](repeating: 7, count: batch == 0 ? 0 : (batch - 1) * wStride + outputs * width)
                let w = EdgeBuffer(before), expected = EdgeBuffer(before)
                variant.kernels.diagonalGrid(
                    TESSERA_PANEL_F32, z.start, zStride, s.start, w.start, wStride, batch, outputs, inputs, width)
                tessera_panels_portable().pointee.diagonalGrid(
                    TESSERA_PANEL_F32, z.start, zStride, s.start, expected.start, wStride, batch, outputs, inputs, width)
                #expect(w.array == expected.array, "batch \(batch), \(outputs) x \(inputs) of \(width)")
                for b in 0..<batch {
                    for i in 0..<outputs {
                        for c in 0..<width {
                            var (exact, size) = (0.0, 0.0)
                            for j in 0..<inputs {
                                let term = Double(s.start[(i * inputs + j) * width + c])
                                    * Double(z.start[b * zStride + j * width + c])
                                exact += term
                                size += abs(term)
                            }
                            #expect(abs(Double(w.start[b * wStride + i * width + c]) - exact) <= 1e-6 * size)
                        }
                    }
                    if b + 1 < batch { #expect(w.start[b * wStride + outputs * width] == 7) }
                }
            }
        }
    }

    /// Numbers of 16 bits: the bits that their values as f32 give.
    @Test(arguments: PanelVariant.available, [TESSERA_PANEL_F16, TESSERA_PANEL_BF16])
    func numbersOf16Bits(variant: PanelVariant, format: tessera_panel_format) {
        var source = SeededValues(seed: 43)
        let kernels = tessera_kernels_portable().pointee
        for (outputs, inputs) in Self.grids {
            for width in [1, 7, 16, 33, 130, 240] {
                let count = outputs * inputs * width
                let numbers = EdgeBuffer(source.floats(count))
                let short = EdgeBuffer<UInt16>(repeating: 0, count: count)
                if format == TESSERA_PANEL_F16 {
                    kernels.floatToHalf(numbers.start, short.start, count)
                    kernels.halfToFloat(short.start, numbers.start, count)
                } else {
                    kernels.floatToBfloat(numbers.start, short.start, count)
                    kernels.bfloatToFloat(short.start, numbers.start, count)
                }
                for batch in [1, 2, 6, 13] {
                    let z = EdgeBuffer(source.floats(batch * inputs * width))
                    let w = EdgeBuffer<Float>(repeating: 7, count: batch * outputs * width)
                    let expected = EdgeBuffer<Float>(repeating: 7, count: batch * outputs * width)
                    variant.kernels.diagonalGrid(
                        format, z.start, inputs * width, short.start, w.start, outputs * width, batch, outputs, inputs,
                        width)
                    tessera_panels_portable().pointee.diagonalGrid(
                        TESSERA_PANEL_F32, z.start, inputs * width, numbers.start, expected.start, outputs * width,
                        batch, outputs, inputs, width)
                    #expect(w.array == expected.array, "batch \(batch), \(outputs) x \(inputs) of \(width)")
                }
            }
        }
    }

    /// Row by row and output by output: the same bits.
    @Test(arguments: PanelVariant.available, [16, 48, 100])
    func gridInPieces(variant: PanelVariant, width: Int) {
        let batch = 11, outputs = 7, inputs = 6
        var source = SeededValues(seed: 40)
        let z = EdgeBuffer(source.floats(batch * inputs * width)), s = EdgeBuffer(source.floats(outputs * inputs * width))
        let whole = EdgeBuffer<Float>(repeating: 0, count: batch * outputs * width)
        let pieced = EdgeBuffer<Float>(repeating: 0, count: batch * outputs * width)
        variant.kernels.diagonalGrid(
            TESSERA_PANEL_F32, z.start, inputs * width, s.start, whole.start, outputs * width, batch, outputs, inputs, width)
        for rows in SplittingTests.pieces(batch, [1, 3, 2]) {
            for outs in SplittingTests.pieces(outputs, [2, 1]) {
                variant.kernels.diagonalGrid(
                    TESSERA_PANEL_F32, z.start + rows.lowerBound * inputs * width, inputs * width,
                    s.start + outs.lowerBound * inputs * width,
                    pieced.start + rows.lowerBound * outputs * width + outs.lowerBound * width, outputs * width,
                    rows.count, outs.count, inputs, width)
            }
        }
        #expect(pieced.array == whole.array)
    }
}
