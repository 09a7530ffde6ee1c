import CKernels
import Testing

/// Packed products of every variant and format against sums in Double and against the portable chain, with rows further
/// apart than they are wide and buffers that end at a forbidden page.
@Suite struct PanelProductTests {
    static let batches = [1, 2, 3, 5, 6, 7, 8, 12, 13, 29, 64, 131]
    static let rows = [1, 7, 8, 16, 17, 32, 33, 47, 48, 50, 64, 65, 100, 150]
    static let columns = [1, 2, 3, 16, 31, 64, 65, 100, 127, 255, 256, 257, 385, 600]

    /// Every pair of (rows, columns) with one batch, every batch many times.
    static let shapes: [(batch: Int, rows: Int, columns: Int)] = {
        var shapes: [(batch: Int, rows: Int, columns: Int)] = []
        for (r, height) in rows.enumerated() {
            for (c, width) in columns.enumerated() {
                shapes.append((batches[(5 * r + c) % batches.count], height, width))
            }
        }
        return shapes + [(1, 64, 3000), (3, 200, 1025), (40, 64, 1500)]
    }()

    @Test(arguments: PanelVariant.available, panelFormats)
    func productMatchesDouble(variant: PanelVariant, format: tessera_panel_format) {
        var source = SeededValues(seed: 33)
        for (index, shape) in Self.shapes.enumerated() {
            let (batch, rows, columns) = shape
            let accumulate = index % 2 == 1, xStride = columns + index % 4, yStride = rows + 3
            let weights = PackedWeights(format, rows: rows, columns: columns, seed: UInt64(index))
            let x = EdgeBuffer(source.floats((batch - 1) * xStride + columns))
            let before = source.floats((batch - 1) * yStride + rows)
            let y = EdgeBuffer(before)
            variant.kernels.product(
                format, x.start, xStride, weights.packed.start, y.start, yStride, batch, rows, columns, accumulate)
            var worst = 0.0
            for b in 0..<batch {
                for row in 0..<yStride where b * yStride + row < before.count {
                    let position = b * yStride + row
                    guard row < rows else {
                        #expect(y.start[position] == before[position], "a gap between rows was written")
                        continue
                    }
                    var sum = accumulate ? Double(before[position]) : 0, size = abs(sum)
                    for k in 0..<columns {
                        let term = Double(x.start[b * xStride + k]) * Double(weights.values[row * columns + k])
                        sum += term
                        size += abs(term)
                    }
                    worst = max(worst, abs(Double(y.start[position]) - sum) / max(size, 1e-30))
                }
            }
            #expect(worst < 3e-6, "batch \(batch), rows \(rows), columns \(columns)")
        }
    }

    @Test(arguments: PanelVariant.available, panelFormats)
    func bitsAreThoseOfThePortableTable(variant: PanelVariant, format: tessera_panel_format) {
        var source = SeededValues(seed: 34)
        for (index, shape) in Self.shapes.enumerated() {
            let (batch, rows, columns) = shape
            let weights = PackedWeights(format, rows: rows, columns: columns, seed: UInt64(index))
            let x = source.floats(batch * columns)
            var y = source.floats(batch * rows), expected = y
            variant.kernels.product(
                format, x, columns, weights.packed.start, &y, rows, batch, rows, columns, index % 2 == 0)
            tessera_panels_portable().pointee.product(
                format, x, columns, weights.packed.start, &expected, rows, batch, rows, columns, index % 2 == 0)
            #expect(y == expected, "batch \(batch), rows \(rows), columns \(columns)")
        }
    }
}
