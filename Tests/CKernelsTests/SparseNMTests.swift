import CKernels
import Testing

/// N:M products: against sums in double precision, and the same bits from every member and table with fused multiply-adds.
@Suite struct SparseNMTests {
    static let forms = [(1, 4), (2, 4), (3, 4), (4, 4), (4, 8), (3, 8), (8, 16), (5, 16)]
    static let sizes = [(1, 0), (1, 1), (16, 3), (33, 9), (64, 2), (70, 13), (130, 5), (65, 150)]
    static let batches = [1, 2, 3, 5, 13, 16, 17, 70, 260]

    struct Packed {
        let shape: tessera_nm_shape
        let buffer: EdgeBuffer<UInt8>
        let dense: [Float]

        init(kept: Int, group: Int, rows: Int, groups: Int, format: tessera_panel_format, values: inout SeededValues) {
            let (columns, entries) = (groups * group, groups * kept)
            let bits = group == 4 ? 2 : group == 8 ? 3 : 4
            let rowBytes = (entries * bits + 7) / 8
            var dense = [Float](repeating: 0, count: rows * columns)
            var kepts = [Float](repeating: 0, count: rows * entries)
            var places = [UInt8](repeating: 0, count: rows * rowBytes)
            for row in 0..<rows {
                for index in 0..<groups {
                    var left = Array(0..<group)
                    while left.count > kept { left.remove(at: Int(values.nextBits() % UInt64(left.count))) }
                    for (number, place) in left.enumerated() {
                        let entry = index * kept + number
                        let value = stored(values.next(), format)
                        dense[row * columns + index * group + place] = value
                        kepts[row * entries + entry] = value
                        for bit in 0..<bits where place >> bit & 1 == 1 {
                            let position = entry * bits + bit
                            places[row * rowBytes + position / 8] |= 1 << (position % 8)
                        }
                    }
                }
            }
            shape = tessera_nm_shape(format: format, kept: kept, group: group, rows: rows, columns: columns)
            buffer = EdgeBuffer(repeating: 0xff, count: tessera_nm_bytes(shape))
            tessera_nm_pack(shape, kepts, places, rowBytes, buffer.start)
            self.dense = dense
        }
    }

    @Test(arguments: forms, SparseVariant.formats.map(\.rawValue))
    func productsOfEveryMember(form: (Int, Int), format: UInt32) {
        var values = SeededValues(seed: 21)
        for (rows, groups) in Self.sizes {
            let packed = Packed(
                kept: form.0, group: form.1, rows: rows, groups: groups, format: tessera_panel_format(format),
                values: &values)
            for batch in Self.batches {
                let products = SparseProducts(
                    rows: rows, columns: groups * form.1, batch: batch, values: &values)
                var fused: [Float]?
                for variant in SparseVariant.available {
                    let kernels = variant.kernels
                    let direct = products.collect { y, yStride in
                        kernels.nmProduct(
                            packed.shape, products.x.start, products.xStride, packed.buffer.start, y, yStride, batch)
                    }
                    let name = "\(variant.name), \(rows) x \(groups * form.1), batch \(batch)"
                    #expect(direct != nil, "\(name)")
                    if let direct { #expect(products.error(direct, dense: packed.dense) < 2e-6, "\(name)") }
                    guard variant.name != "portable" else { continue }
                    if let fused { #expect(direct == fused, "\(name)") }
                    fused = direct
                }
            }
        }
    }

    /// A call may begin at any panel.
    @Test(arguments: SparseVariant.available)
    func panelsStandAlone(variant: SparseVariant) {
        var values = SeededValues(seed: 22)
        let packed = Packed(
            kept: 2, group: 4, rows: 150, groups: 20, format: TESSERA_PANEL_F32, values: &values)
        let products = SparseProducts(rows: 150, columns: 80, batch: 3, values: &values)
        let kernels = variant.kernels
        func piece(_ rows: Int) -> tessera_nm_shape {
            var shape = packed.shape
            shape.rows = rows
            return shape
        }
        let whole = products.collect { y, yStride in
            kernels.nmProduct(packed.shape, products.x.start, products.xStride, packed.buffer.start, y, yStride, 3)
        }
        let pieces = products.collect { y, yStride in
            var start = UnsafePointer(packed.buffer.start)
            for (first, count) in [(0, 64), (64, 64), (128, 22)] {
                kernels.nmProduct(piece(count), products.x.start, products.xStride, start, y + first, yStride, 3)
                start += tessera_nm_bytes(piece(count))
            }
            #expect(start == packed.buffer.start + packed.buffer.count)
        }
        #expect(whole != nil && whole == pieces)
    }
}
