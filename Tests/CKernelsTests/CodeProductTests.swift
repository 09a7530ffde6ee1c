import CKernels
import Testing

/// Products with packed codes of every variant, against the definition computed here.
@Suite struct CodeProductTests {
    static let layouts = [(8, 128), (8, 3), (4, 8), (4, 15), (2, 2), (2, 1)]
    static let sizes = [(1, 1), (16, 32), (17, 100), (48, 33), (64, 64), (65, 385), (130, 260)]

    /// The documented order of operations: exact integers within a group, one fused multiply-add a group.
    static func rounded(
        _ w: PackedCodeMatrix, _ x: RoundedRows, batch: Int, start: [Float], stride: Int, accumulate: Bool
    ) -> [Float] {
        var y = start
        let (codes, scales) = (x.codes.array, x.scales.array)
        for b in 0..<batch {
            for row in 0..<w.rows {
                var total = accumulate ? start[b * stride + row] : 0
                for group in 0..<w.groups {
                    var sum = 0
                    for column in group * w.groupSize..<min(w.columns, (group + 1) * w.groupSize) {
                        sum += w.values[row * w.columns + column] * Int(codes[b * w.groups * w.groupSize + column])
                    }
                    let scale = w.scales[row * w.groups + group] * scales[b * w.groups + group]
                    total = total.addingProduct(Float(sum), scale)
                }
                y[b * stride + row] = total
            }
        }
        return y
    }

    static func exact(
        _ w: PackedCodeMatrix, _ x: [Float], xStride: Int, batch: Int, start: [Float], stride: Int, accumulate: Bool
    ) -> [Float] {
        var y = start
        for b in 0..<batch {
            for row in 0..<w.rows {
                var total = accumulate ? start[b * stride + row] : 0
                for group in 0..<w.groups {
                    var sum: Float = 0
                    for column in group * w.groupSize..<(group + 1) * w.groupSize {
                        let inside = column < w.columns
                        sum = sum.addingProduct(
                            inside ? x[b * xStride + column] : 0,
                            inside ? Float(w.values[row * w.columns + column]) : 0)
                    }
                    total = total.addingProduct(sum, w.scales[row * w.groups + group])
                }
                y[b * stride + row] = total
            }
        }
        return y
    }

    @Test(arguments: CodeVariant.available, [32, 64, 96, 128])
    func productsFollowTheDefinition(variant: CodeVariant, groupSize: Int) {
        for (bits, zero) in Self.layouts {
            for (rows, columns) in Self.sizes {
                let w = PackedCodeMatrix(
                    bits: bits, zero: zero, groupSize: groupSize, rows: rows, columns: columns, seed: 41)
                for batch in [1, 2, 7] {
                    var source = SeededValues(seed: 42)
                    let x = EdgeBuffer(source.floats((batch - 1) * (columns + 1) + columns))
                    let start = source.floats((batch - 1) * (rows + 2) + rows), accumulate = rows % 2 == 1
                    let message = Comment("\(bits) bits, \(rows) x \(columns), batch \(batch)")
                    let rounded = RoundedRows(
                        variant, x.array, stride: columns + 1, batch: batch, columns: columns, groupSize: groupSize)
                    let y = EdgeBuffer(start)
                    variant.kernels.codeProduct(
                        bits, zero, rounded.rows, w.packed.start, y.start, rows + 2, batch, rows, columns, accumulate)
                    #expect(
                        y.array
                            == Self.rounded(
                                w, rounded, batch: batch, start: start, stride: rows + 2, accumulate: accumulate),
                        message)
                    let z = EdgeBuffer(start)
                    variant.kernels.codeProductExact(
                        bits, zero, groupSize, x.start, columns + 1, w.packed.start, z.start, rows + 2, batch, rows,
                        columns, accumulate)
                    #expect(
                        z.array
                            == Self.exact(
                                w, x.array, xStride: columns + 1, batch: batch, start: start, stride: rows + 2,
                                accumulate: accumulate), message)
                }
            }
        }
    }

    /// Codes and activations at their limits, where narrow intermediate sums would overflow.
    @Test(arguments: CodeVariant.available, [8, 4, 2])
    func extremesDoNotSaturate(variant: CodeVariant, bits: Int) {
        for groupSize in [32, 128] {
            let (rows, columns, batch) = (64, 256, 13)
            let code = UInt8(1 << bits - 1)
            for zero in [0, 1 << (bits - 1), Int(code)] {
                let codes = (0..<rows * columns).map { $0 / columns % 3 == 0 ? 0 : code }
                let ones = [UInt16](repeating: 0x3c00, count: rows * columns / groupSize)
                var packed = [UInt8](repeating: 0, count: tessera_code_panel_bytes(bits, groupSize, rows, columns))
                tessera_pack_codes(
                    bits, groupSize, zero, codes, columns, ones, columns / groupSize, rows, columns, &packed)
                for sign: Float in [-1, 1] {
                    // Every code of x is 127 or -127, the scale 1.
                    let x = [Float](repeating: 127 * sign, count: batch * columns)
                    let rounded = RoundedRows(
                        variant, x, stride: columns, batch: batch, columns: columns, groupSize: groupSize)
                    var y = [Float](repeating: .nan, count: batch * rows)
                    variant.kernels.codeProduct(
                        bits, zero, rounded.rows, packed, &y, rows, batch, rows, columns, false)
                    let expected = (0..<batch * rows).map { index in
                        Float(127 * columns) * sign * Float(Int(codes[index % rows * columns]) - zero)
                    }
                    #expect(y == expected, "zero \(zero)")
                }
            }
        }
    }

    /// Rows of X alone, and panels of W alone, give the bits they give together.
    @Test(arguments: CodeVariant.available, [8, 4, 2])
    func splittingChangesNothing(variant: CodeVariant, bits: Int) {
        let (rows, columns, batch, groupSize) = (200, 416, 29, 32)
        let w = PackedCodeMatrix(
            bits: bits, zero: 1 << (bits - 1), groupSize: groupSize, rows: rows, columns: columns, seed: 43)
        var source = SeededValues(seed: 44)
        let x = source.floats(batch * columns)
        let all = RoundedRows(variant, x, stride: columns, batch: batch, columns: columns, groupSize: groupSize)
        var whole = [Float](repeating: .nan, count: batch * rows), wholeExact = whole
        variant.kernels.codeProduct(
            bits, w.zero, all.rows, w.packed.start, &whole, rows, batch, rows, columns, false)
        variant.kernels.codeProductExact(
            bits, w.zero, groupSize, x, columns, w.packed.start, &wholeExact, rows, batch, rows, columns, false)
        let panel = Int(TESSERA_PANEL_ROWS)
        let panelBytes = tessera_code_panel_bytes(bits, groupSize, panel, columns)
        for (firstPanel, lastPanel) in [(0, 1), (1, 4), (3, 4)] {
            let part = firstPanel * panel..<min(rows, lastPanel * panel)
            for (first, count) in [(0, 1), (5, 6), (3, 26), (28, 1)] {
                let slice = Array(x[first * columns..<(first + count) * columns])
                let rounded = RoundedRows(
                    variant, slice, stride: columns, batch: count, columns: columns, groupSize: groupSize)
                var y = [Float](repeating: .nan, count: count * part.count), exact = y
                let packed = w.packed.start + firstPanel * panelBytes
                variant.kernels.codeProduct(
                    bits, w.zero, rounded.rows, packed, &y, part.count, count, part.count, columns, false)
                variant.kernels.codeProductExact(
                    bits, w.zero, groupSize, slice, columns, packed, &exact, part.count, count, part.count, columns,
                    false)
                for b in 0..<count {
                    let (from, to) = ((first + b) * rows + part.lowerBound, (first + b) * rows + part.upperBound)
                    #expect(Array(y[b * part.count..<(b + 1) * part.count]) == Array(whole[from..<to]))
                    #expect(Array(exact[b * part.count..<(b + 1) * part.count]) == Array(wholeExact[from..<to]))
                }
            }
        }
    }

    @Test(arguments: CodeVariant.available)
    func emptyProducts(variant: CodeVariant) {
        let rows = tessera_quantized_rows(
            codes: EdgeBuffer<Int8>([]).start, scales: EdgeBuffer<Float>([]).start,
            sums: EdgeBuffer<Int32>([]).start, groups: 0, groupSize: 32)
        var y: [Float] = [1, 2, 3], packed: [UInt8] = [0]
        variant.kernels.codeProduct(4, 8, rows, &packed, &y, 3, 1, 3, 0, true)
        variant.kernels.codeProductExact(4, 8, 32, [0], 1, &packed, &y, 3, 1, 3, 0, true)
        #expect(y == [1, 2, 3])
        variant.kernels.codeProduct(4, 8, rows, &packed, &y, 3, 1, 2, 0, false)
        #expect(y == [0, 0, 3])
        variant.kernels.codeProductExact(4, 8, 32, [0], 1, &packed, &y, 3, 1, 3, 0, false)
        #expect(y == [0, 0, 0])
        variant.kernels.codeProduct(4, 8, rows, &packed, &y, 3, 0, 3, 0, false)
        #expect(tessera_code_panel_bytes(4, 32, 0, 100) == 0)
        #expect(tessera_code_panel_bytes(4, 32, 100, 0) == 0)
    }

    @Test func tablesAnswerToTheirNames() {
        for variant in CodeVariant.available { #expect(String(cString: variant.kernels.name) == variant.name) }
        #expect(tessera_codes_named("mmx") == nil)
        #expect(String(cString: tessera_codes_best().pointee.name) == CodeVariant.available.last?.name)
    }
}
