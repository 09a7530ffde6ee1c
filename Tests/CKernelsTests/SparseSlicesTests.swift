import CKernels
import Testing

/// Compressed rows: against sums in double precision, and the same bits from every member.
@Suite struct SparseSlicesTests {
    static let sizes = [(1, 1), (5, 40), (16, 64), (33, 130), (70, 65), (130, 17)]
    static let batches = [1, 2, 5, 16, 17, 70, 260]

    /// Slices with rows of very different lengths, some empty.
    struct Packed {
        let dense: [Float]
        let lengths: EdgeBuffer<UInt32>
        let starts: EdgeBuffer<Int>
        let values: EdgeBuffer<UInt8>
        let indices: EdgeBuffer<UInt8>
        let slices: tessera_slices

        init(rows: Int, columns: Int, wide: Bool, format: tessera_panel_format, values source: inout SeededValues) {
            var dense = [Float](repeating: 0, count: rows * columns)
            var entries: [[Int]] = []
            for row in 0..<rows {
                let share = source.nextBits() % 5
                let chosen = (0..<columns).filter { _ in source.nextBits() % 4 < share }
                for column in chosen { dense[row * columns + column] = stored(source.next(), format) }
                entries.append(chosen)
            }
            let count = (rows + 15) / 16
            entries += Array(repeating: [], count: count * 16 - rows)
            var starts = [0], slotColumns: [Int] = [], slotValues: [Float] = []
            for slice in 0..<count {
                let group = Array(entries[slice * 16..<slice * 16 + 16])
                let longest = group.map(\.count).max() ?? 0
                for step in 0..<longest {
                    for (row, chosen) in group.enumerated() {
                        let column = step < chosen.count ? chosen[step] : 0
                        slotColumns.append(column)
                        // What follows a row that has ended must not count.
                        slotValues.append(step < chosen.count ? dense[(slice * 16 + row) * columns + column] : .nan)
                    }
                }
                starts.append(starts[slice] + longest)
            }
            self.dense = dense
            lengths = EdgeBuffer(entries.map { UInt32($0.count) })
            self.starts = EdgeBuffer(starts)
            indices = EdgeBuffer(
                slotColumns.flatMap { column in (0..<(wide ? 4 : 2)).map { UInt8(truncatingIfNeeded: column >> (8 * $0)) } })
            let portable = tessera_kernels_portable().pointee
            var halves = [UInt16](repeating: 0, count: slotValues.count)
            if format == TESSERA_PANEL_F16 { portable.floatToHalf(slotValues, &halves, slotValues.count) }
            if format == TESSERA_PANEL_BF16 { portable.floatToBfloat(slotValues, &halves, slotValues.count) }
            self.values = EdgeBuffer(
                format == TESSERA_PANEL_F32
                    ? slotValues.withUnsafeBytes { Array($0) } : halves.withUnsafeBytes { Array($0) })
            slices = tessera_slices(
                format: format, wide: wide, rows: rows, columns: columns, lengths: lengths.start, starts: self.starts.start,
                indices: indices.start, values: self.values.start)
        }
    }

    @Test(arguments: SparseVariant.formats.map(\.rawValue), [false, true])
    func productsOfEveryMember(format: UInt32, wide: Bool) {
        var values = SeededValues(seed: 31)
        for (rows, columns) in Self.sizes {
            let packed = Packed(
                rows: rows, columns: columns, wide: wide, format: tessera_panel_format(format), values: &values)
            var slices = packed.slices
            let count = (rows + 15) / 16
            for batch in Self.batches {
                let products = SparseProducts(rows: rows, columns: columns, batch: batch, values: &values)
                var fused: [Float]?
                for variant in SparseVariant.available {
                    let kernels = variant.kernels
                    let direct = products.collect { y, yStride in
                        // In two pieces, the first not of a whole panel.
                        for (start, end) in [(0, min(count, 3)), (min(count, 3), count)] {
                            kernels.sliceProduct(
                                &slices, products.x.start, products.xStride, y, yStride, batch, start, end)
                        }
                    }
                    let name = "\(variant.name), \(rows) x \(columns), batch \(batch)"
                    #expect(direct != nil, "\(name)")
                    if let direct { #expect(products.error(direct, dense: packed.dense) < 2e-6, "\(name)") }
                    guard variant.name != "portable" else { continue }
                    if let fused { #expect(direct == fused, "\(name)") }
                    fused = direct
                }
            }
        }
    }
}
