import CKernels
import Testing

/// Products of bf16 with bf16 of every variant that has them.
@Suite struct PanelBfloatTests {
    typealias Product = @convention(c) (
        UnsafePointer<Float>, Int, UnsafeRawPointer, UnsafeMutablePointer<Float>, Int, Int, Int, Int, Bool
    ) -> Void

    struct BfloatVariant: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let product: Product
    }

    static let variants = PanelVariant.available.compactMap { variant in
        variant.kernels.bfloatProduct.map { BfloatVariant(testDescription: variant.name, product: $0) }
    }

    /// Batches below, at and above what a tile takes, panels of every height, odd columns, several blocks of columns.
    static let shapes = [
        (1, 1, 1), (1, 64, 33), (2, 16, 2), (3, 17, 31), (5, 33, 64), (6, 64, 95), (7, 65, 384), (13, 130, 385),
        (40, 200, 1000), (100, 70, 900), (193, 64, 77),
    ]

    static func rounded(_ x: Float) -> Float {
        // Nearest even: the half is broken by what the last bit kept is.
        let bits = x.bitPattern
        return Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
    }

    @Test func thePortableTableHasThem() { #expect(tessera_panels_portable().pointee.bfloatProduct != nil) }

    /// Against sums in double of products of what was rounded: nothing but the rounding of f32 sums is left.
    @Test(arguments: variants)
    func productIsThatOfRoundedInputs(variant: BfloatVariant) {
        var source = SeededValues(seed: 51)
        for (index, shape) in Self.shapes.enumerated() {
            let (batch, rows, columns) = shape
            let accumulate = index % 2 == 1, xStride = columns + index % 4, yStride = rows + 3
            let weights = PackedWeights(TESSERA_PANEL_BF16, rows: rows, columns: columns, seed: UInt64(index))
            let x = EdgeBuffer(source.floats((batch - 1) * xStride + columns))
            let before = source.floats((batch - 1) * yStride + rows)
            let y = EdgeBuffer(before)
            variant.product(
                x.start, xStride, weights.packed.start, y.start, yStride, batch, rows, columns, accumulate)
            let values = x.array.map(Self.rounded)
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
                        let term = Double(values[b * xStride + k]) * Double(weights.values[row * columns + k])
                        sum += term
                        size += abs(term)
                    }
                    worst = max(worst, abs(Double(y.start[position]) - sum) / max(size, 1e-30))
                }
            }
            #expect(worst < 3e-6, "batch \(batch), rows \(rows), columns \(columns)")
        }
    }

    /// Rows of X alone, and panels of W alone, give the bits they give together.
    @Test(arguments: variants)
    func splittingChangesNothing(variant: BfloatVariant) {
        let (batch, rows, columns) = (110, 200, 901)
        let weights = PackedWeights(TESSERA_PANEL_BF16, rows: rows, columns: columns, seed: 52)
        var source = SeededValues(seed: 53)
        let x = source.floats(batch * columns)
        var whole = [Float](repeating: .nan, count: batch * rows)
        variant.product(x, columns, weights.packed.start, &whole, rows, batch, rows, columns, false)
        for part in [0..<64, 64..<200, 192..<200] {
            for (first, count) in [(0, 1), (5, 6), (3, 107), (109, 1)] {
                var y = [Float](repeating: .nan, count: count * part.count)
                x.withUnsafeBufferPointer { x in
                    variant.product(
                        x.baseAddress! + first * columns, columns, weights.panel(at: part.lowerBound), &y, part.count,
                        count, part.count, columns, false)
                }
                for b in 0..<count {
                    let from = (first + b) * rows
                    #expect(
                        Array(y[b * part.count..<(b + 1) * part.count])
                            == Array(whole[from + part.lowerBound..<from + part.upperBound]))
                }
            }
        }
    }

    /// More columns than one row of X is rounded at a time.
    @Test(arguments: variants)
    func longRowsGiveTheSameAloneAndTogether(variant: BfloatVariant) {
        let (rows, columns) = (16, 40_001)
        let weights = PackedWeights(TESSERA_PANEL_BF16, rows: rows, columns: columns, seed: 54)
        var source = SeededValues(seed: 55)
        let x = source.floats(2 * columns)
        var single = [Float](repeating: .nan, count: rows), both = [Float](repeating: .nan, count: 2 * rows)
        variant.product(x, columns, weights.packed.start, &single, rows, 1, rows, columns, false)
        variant.product(x, columns, weights.packed.start, &both, rows, 2, rows, columns, false)
        #expect(single == Array(both[0..<rows]))
    }

    /// What is below the normal numbers counts as 0, what is above all numbers of bf16 as infinite, and NaN shows.
    @Test(arguments: variants)
    func extremes(variant: BfloatVariant) {
        let weights = PackedWeights(
            TESSERA_PANEL_BF16, rows: 1, columns: 3, values: [0x1p-60, 1, 0x1p-130])
        func product(_ x: [Float]) -> Float {
            var y: Float = .nan
            variant.product(x, 3, weights.packed.start, &y, 1, 1, 1, 3, false)
            return y
        }
        #expect(product([0x1p-60, 0, 0]) == 0x1p-120)
        #expect(product([0x1p-80, 0, 0]) == 0)
        #expect(product([0, 0x1p-130, 0]) == 0)
        #expect(product([0, 0, 0x1p120]) == 0)
        #expect(product([0, .greatestFiniteMagnitude, 0]) == .infinity)
        #expect(product([0, -.infinity, 0]) == -.infinity)
        #expect(product([0, .nan, 0]).isNaN)
    }

    @Test(arguments: variants)
    func emptyProducts(variant: BfloatVariant) {
        var y: [Float] = [1, 2, 3], packed: [UInt16] = [0]
        variant.product([0], 1, &packed, &y, 3, 1, 3, 0, true)
        #expect(y == [1, 2, 3])
        variant.product([0], 1, &packed, &y, 3, 1, 2, 0, false)
        #expect(y == [0, 0, 3])
        variant.product([0], 1, &packed, &y, 3, 0, 3, 0, false)
        variant.product([0], 1, &packed, &y, 3, 1, 0, 1, false)
        #expect(y == [0, 0, 3])
    }
}
