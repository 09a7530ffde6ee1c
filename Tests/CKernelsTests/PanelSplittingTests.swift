import CKernels
import Testing

/// The bits of an element of a packed product do not depend on the call that computes it.
@Suite struct PanelSplittingTests {
    @Test(arguments: PanelVariant.available, panelFormats)
    func productInPieces(variant: PanelVariant, format: tessera_panel_format) {
        let kernels = variant.kernels, batch = 45, rows = 210
        for columns in [5, 100, 600] {
            var source = SeededValues(seed: 35)
            let weights = PackedWeights(format, rows: rows, columns: columns, seed: 36)
            let x = EdgeBuffer(source.floats(batch * columns)), start = source.floats(batch * rows)
            for accumulate in [false, true] {
                let whole = EdgeBuffer(start)
                kernels.product(
                    format, x.start, columns, weights.packed.start, whole.start, rows, batch, rows, columns, accumulate)
                for lengths in [[1], [3, 1, 7, 2], [5, 24], [13, 2, 8], [30, 1]] {
                    let pieced = EdgeBuffer(start)
                    for part in SplittingTests.pieces(batch, lengths) {
                        for panels in SplittingTests.pieces(rows, lengths.map { 64 * ($0 % 3 + 1) }) {
                            kernels.product(
                                format, x.start + part.lowerBound * columns, columns, weights.panel(at: panels.lowerBound),
                                pieced.start + part.lowerBound * rows + panels.lowerBound, rows, part.count, panels.count,
                                columns, accumulate)
                        }
                    }
                    #expect(pieced.array == whole.array, "pieces of \(lengths), accumulate \(accumulate)")
                }
            }
        }
    }

    /// The same numbers at every offset from a 64-byte boundary.
    @Test(arguments: PanelVariant.available, panelFormats)
    func alignmentDoesNotMatter(variant: PanelVariant, format: tessera_panel_format) {
        let rows = 100, columns = 70
        var source = SeededValues(seed: 37)
        let weights = PackedWeights(format, rows: rows, columns: columns, seed: 38)
        for batch in [1, 5, 9] {
            let x = source.floats(batch * columns)
            var expected = [Float](repeating: 0, count: batch * rows)
            variant.kernels.product(
                format, x, columns, weights.packed.start, &expected, rows, batch, rows, columns, false)
            for offset in 0..<16 {
                let element = format == TESSERA_PANEL_F32 ? 4 : 2
                let bytes = EdgeBuffer([UInt8](repeating: 0, count: offset * element) + weights.packed.array
                    + [UInt8](repeating: 0, count: 64 - offset * element))
                let shifted = EdgeBuffer<Float>(repeating: 7, count: batch * rows + offset)
                variant.kernels.product(
                    format, x, columns, bytes.start + offset * element, shifted.start + offset, rows, batch, rows, columns,
                    false)
                #expect(Array(shifted.array[offset...]) == expected)
                #expect(shifted.array[..<offset].allSatisfy { $0 == 7 })
            }
        }
    }

    @Test(arguments: PanelVariant.available, panelFormats)
    func infinityStaysInItsRow(variant: PanelVariant, format: tessera_panel_format) {
        for batch in [1, 4, 20] {
            let rows = 70, columns = 9
            // One infinite row of x, one infinite row of W: what meets neither stays finite.
            var x = [Float](repeating: 1, count: batch * columns), w = [Float](repeating: 2, count: rows * columns)
            x[(batch - 1) * columns + 4] = .infinity
            w[66 * columns + 8] = .infinity
            let weights = PackedWeights(format, rows: rows, columns: columns, values: w)
            let y = EdgeBuffer<Float>(repeating: .nan, count: batch * rows)
            variant.kernels.product(
                format, x, columns, weights.packed.start, y.start, rows, batch, rows, columns, false)
            for b in 0..<batch {
                for row in 0..<rows {
                    let expected: Float = b == batch - 1 || row == 66 ? .infinity : 18
                    #expect(y.start[b * rows + row] == expected)
                }
            }
        }
    }

    @Test(arguments: PanelVariant.available, panelFormats)
    func emptySizes(variant: PanelVariant, format: tessera_panel_format) {
        let weights = PackedWeights(format, rows: 3, columns: 5, values: [Float](repeating: 3, count: 15))
        let x = [Float](repeating: 2, count: 100)
        for (batch, rows, columns) in [(0, 3, 5), (20, 0, 5), (1, 0, 5), (1, 3, 0), (2, 3, 0), (20, 3, 0), (0, 0, 0)] {
            for accumulate in [false, true] {
                var y = [Float](repeating: 7, count: 100)
                variant.kernels.product(
                    format, x, 5, weights.packed.start, &y, 5, batch, rows, columns, accumulate)
                for (index, value) in y.enumerated() {
                    let inside = index / 5 < batch && index % 5 < rows
                    #expect(value == (inside && !accumulate ? 0 : 7))
                }
            }
        }
    }
}
