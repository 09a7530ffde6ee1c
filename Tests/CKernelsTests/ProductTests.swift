import CKernels
import Testing

/// Products of every variant against sums in Double, with rows further apart than they are wide.
@Suite struct ProductTests {
    static let batches = [1, 2, 3, 4, 5, 8, 17, 64]
    static let outs = [1, 3, 7, 8, 9, 16, 33, 100]
    static let ins = [1, 3, 7, 15, 16, 17, 31, 33, 64, 65, 100, 384, 385]

    /// Some of the cross product: every pair of (out, in), (batch, in) and (batch, out) several times.
    static let shapes: [(batch: Int, out: Int, in: Int)] = {
        var shapes: [(batch: Int, out: Int, in: Int)] = []
        for (i, input) in ins.enumerated() {
            for (o, out) in outs.enumerated() {
                shapes.append((batches[(i + o) % batches.count], out, input))
                shapes.append((batches[(i + 3 * o + 1) % batches.count], out, input))
            }
        }
        return shapes + [(1, 5, 1024), (3, 9, 1025), (2, 4, 3000), (5, 385, 384), (100, 13, 70), (200, 9, 1040)]
    }()

    @Test(arguments: Variant.available, [false, true])
    func productMatchesDouble(variant: Variant, accumulate: Bool) {
        let kernels = variant.kernels
        var values = SeededValues(seed: 1)
        for (batch, out, input) in Self.shapes {
            let xStride = input + 3, wStride = input + 5, yStride = out + 2
            let x = EdgeBuffer(values.floats((batch - 1) * xStride + input))
            let w = EdgeBuffer(values.floats((out - 1) * wStride + input))
            let before = values.floats((batch - 1) * yStride + out)
            let y = EdgeBuffer(before)
            kernels.product(x.start, xStride, w.start, wStride, y.start, yStride, batch, out, input, accumulate)
            var worst = 0.0
            for row in 0..<batch {
                for column in 0..<yStride where row * yStride + column < before.count {
                    let index = row * yStride + column
                    guard column < out else {
                        #expect(y.start[index] == before[index], "a gap between rows was written")
                        continue
                    }
                    var sum = accumulate ? Double(before[index]) : 0, size = abs(sum)
                    for k in 0..<input {
                        let term = Double(x.start[row * xStride + k]) * Double(w.start[column * wStride + k])
                        sum += term
                        size += abs(term)
                    }
                    worst = max(worst, abs(Double(y.start[index]) - sum) / max(size, 1e-30))
                }
            }
            #expect(worst < 1e-6, "batch \(batch), out \(out), in \(input)")
        }
    }

    @Test(arguments: Variant.available, [false, true])
    func transposedProductMatchesDouble(variant: Variant, accumulate: Bool) {
        let kernels = variant.kernels
        var values = SeededValues(seed: 2)
        for (batch, out, input) in Self.shapes {
            let xStride = out + 3, wStride = input + 5, yStride = input + 2
            let x = EdgeBuffer(values.floats((batch - 1) * xStride + out))
            let w = EdgeBuffer(values.floats((out - 1) * wStride + input))
            let before = values.floats((batch - 1) * yStride + input)
            let y = EdgeBuffer(before)
            kernels.productTransposed(x.start, xStride, w.start, wStride, y.start, yStride, batch, out, input, accumulate)
            var worst = 0.0
            for row in 0..<batch {
                for column in 0..<yStride where row * yStride + column < before.count {
                    let index = row * yStride + column
                    guard column < input else {
                        #expect(y.start[index] == before[index], "a gap between rows was written")
                        continue
                    }
                    var sum = accumulate ? Double(before[index]) : 0, size = abs(sum)
                    for o in 0..<out {
                        let term = Double(x.start[row * xStride + o]) * Double(w.start[o * wStride + column])
                        sum += term
                        size += abs(term)
                    }
                    worst = max(worst, abs(Double(y.start[index]) - sum) / max(size, 1e-30))
                }
            }
            #expect(worst < 3e-6, "batch \(batch), out \(out), in \(input)")
        }
    }

    @Test(arguments: Variant.available)
    func emptyInnerDimensionGivesZeros(variant: Variant) {
        let kernels = variant.kernels
        let nothing: [Float] = [0]
        var y: [Float] = [1, 2, 3, 4, 5, 6]
        kernels.product(nothing, 0, nothing, 0, &y, 3, 2, 3, 0, true)
        #expect(y == [1, 2, 3, 4, 5, 6])
        kernels.product(nothing, 0, nothing, 0, &y, 3, 2, 2, 0, false)
        #expect(y == [0, 0, 3, 0, 0, 6])
        kernels.productTransposed(nothing, 0, nothing, 0, &y, 3, 2, 0, 3, true)
        #expect(y == [0, 0, 3, 0, 0, 6])
        kernels.productTransposed(nothing, 0, nothing, 0, &y, 3, 2, 0, 3, false)
        #expect(y == [0, 0, 0, 0, 0, 0])
        #expect(kernels.dot(nothing, nothing, 0) == 0)
    }

    @Test(arguments: Variant.available)
    func infinityStaysInItsRow(variant: Variant) {
        let x: [Float] = [1, .infinity, 1, 2, 3, 4], w: [Float] = [1, 1, 1]
        var y: [Float] = [0, 0]
        variant.kernels.product(x, 3, w, 3, &y, 1, 2, 1, 3, false)
        #expect(y == [.infinity, 9])
    }
}
