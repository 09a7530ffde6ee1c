import CKernels
import Testing

/// Groups of rows: against sums in double precision, and the same bits from every member.
@Suite struct SparseGroupsTests {
    static let sizes = [(1, 1, 1), (5, 40, 13), (16, 64, 64), (33, 130, 65), (70, 65, 20), (130, 17, 0)]
    static let batches = [1, 2, 5, 16, 17, 48, 70, 260]

    @Test(arguments: SparseVariant.formats.map(\.rawValue), [4, 8, 16])
    func productsOfEveryMember(format: UInt32, group: Int) {
        let format = tessera_panel_format(format)
        var source = SeededValues(seed: 53)
        for (rows, columns, steps) in Self.sizes {
            for wide in [false, true] {
                let slices = (rows + 15) / 16
                var dense = [Float](repeating: 0, count: rows * columns)
                var indices: [Int] = [], slotValues = [Float](repeating: 0, count: slices * steps * 16)
                for slice in 0..<slices {
                    let chosen = (0..<16 / group).map { _ in
                        (0..<columns).map { (source.nextBits(), $0) }.sorted { $0 < $1 }.prefix(steps).map(\.1).sorted()
                    }
                    for step in 0..<steps {
                        indices += chosen.map { $0[step] }
                        for row in slice * 16..<min(rows, slice * 16 + 16) {
                            let value = stored(source.next(), format)
                            slotValues[(slice * steps + step) * 16 + row % 16] = value
                            dense[row * columns + chosen[row % 16 / group][step]] = value
                        }
                    }
                }
                let portable = tessera_kernels_portable().pointee
                var halves = [UInt16](repeating: 0, count: slotValues.count)
                if format == TESSERA_PANEL_F16 { portable.floatToHalf(slotValues, &halves, slotValues.count) }
                if format == TESSERA_PANEL_BF16 { portable.floatToBfloat(slotValues, &halves, slotValues.count) }
                let values = EdgeBuffer(
                    format == TESSERA_PANEL_F32
                        ? slotValues.withUnsafeBytes { Array($0) } : halves.withUnsafeBytes { Array($0) })
                let columnBytes = EdgeBuffer(
                    indices.flatMap { column in (0..<(wide ? 4 : 2)).map { UInt8(truncatingIfNeeded: column >> (8 * $0)) } })
                var groups = tessera_row_groups(
                    format: format, wide: wide, group: group, steps: steps, rows: rows, columns: columns,
                    indices: columnBytes.start, values: values.start)
                for batch in Self.batches {
                    let products = SparseProducts(rows: rows, columns: columns, batch: batch, values: &source)
                    var fused: [Float]?
                    for variant in SparseVariant.available {
                        let kernels = variant.kernels
                        let pieces = [(0, min(slices, 3)), (min(slices, 3), slices)]
                        let direct = products.collect { y, yStride in
                            for (start, end) in pieces {
                                kernels.groupProduct(
                                    &groups, products.x.start, products.xStride, y, yStride, batch, start, end)
                            }
                        }
                        let tiled = products.collect { y, yStride in
                            products.withTiles(kernels) { tile, first, height in
                                for (start, end) in pieces {
                                    kernels.groupTile(&groups, tile, y + first * yStride, yStride, height, start, end)
                                }
                            }
                        }
                        let name = "\(variant.name), \(rows) x \(columns), \(steps) steps, batch \(batch)"
                        #expect(direct != nil && direct == tiled, "\(name)")
                        if let direct { #expect(products.error(direct, dense: dense) < 2e-6, "\(name)") }
                        guard variant.name != "portable" else { continue }
                        if let fused { #expect(direct == fused, "\(name)") }
                        fused = direct
                    }
                }
            }
        }
    }
}
