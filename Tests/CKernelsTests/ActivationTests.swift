import CKernels
import Foundation
import Testing

/// Activations of every variant against Double.
@Suite struct ActivationTests {
    /// Dense around 0, out to where everything saturates.
    static let points: [Float] = {
        var points = stride(from: Float(-16), through: 16, by: 1.0 / 1024).map { $0 }
        for exponent in -40 ... 5 {
            for fraction in stride(from: 1.0, to: 2.0, by: 0.1) {
                let value = Float(sign: .plus, exponent: exponent, significand: Float(fraction))
                points += [value, -value]
            }
        }
        return points + [0, -0.0, 88, -88, 100, -100, 1e4, -1e4, 1e20, -1e20, 2e38, -2e38]
    }()

    @Test(arguments: Variant.available)
    func geluMatchesDouble(variant: Variant) {
        let x = EdgeBuffer(Self.points)
        variant.kernels.gelu(x.start, nil, x.count)
        var worst = 0.0, worstErf = 0.0
        for (point, value) in zip(Self.points, x.array) {
            let z = Double(point), exact = z * 0.5 * erfc(-z / 2.0.squareRoot())
            let error = abs(Double(value) - exact) - abs(exact) * 6e-8
            worst = max(worst, error / max(1, abs(z)))
            // What the result says about erf, where x is large enough not to hide it in its own rounding.
            if abs(z) > 1e-3, abs(z) < 10 { worstErf = max(worstErf, 2 * error / abs(z)) }
        }
        #expect(worst < 1e-7)
        #expect(worstErf < 2e-7)
    }

    @Test(arguments: Variant.available)
    func geluOfASumIsThatOfItsResult(variant: Variant) {
        var source = SeededValues(seed: 6)
        for count in [1, 15, 16, 37] {
            let bias = source.floats(count), x = EdgeBuffer(source.floats(count))
            let sums = EdgeBuffer(zip(x.array, bias).map { $0 + $1 })
            variant.kernels.gelu(x.start, bias, count)
            variant.kernels.gelu(sums.start, nil, count)
            #expect(x.array == sums.array)
        }
    }

    @Test(arguments: Variant.available)
    func geluTanhMatchesDouble(variant: Variant) {
        let x = EdgeBuffer(Self.points)
        variant.kernels.geluTanh(x.start, x.count)
        for (point, value) in zip(Self.points, x.array) {
            let z = Double(point)
            let exact = 0.5 * z * (1 + tanh((2 / Double.pi).squareRoot() * (z + 0.044715 * z * z * z)))
            #expect(abs(Double(value) - exact) <= 4e-7 * max(abs(exact), 1), "at \(point)")
        }
    }

    @Test(arguments: Variant.available)
    func siluMultiplyMatchesDouble(variant: Variant) {
        var values = SeededValues(seed: 11)
        let gate = EdgeBuffer(Self.points), up = EdgeBuffer(values.floats(Self.points.count))
        let y = EdgeBuffer<Float>(repeating: 0, count: Self.points.count)
        variant.kernels.siluMultiply(gate.start, up.start, y.start, y.count)
        for index in Self.points.indices {
            let z = Double(Self.points[index])
            let exact = z / (1 + exp(-z)) * Double(up.start[index])
            #expect(abs(Double(y.start[index]) - exact) <= 5e-7 * abs(exact) + 1e-35, "at \(z)")
        }
        let expected = y.array
        variant.kernels.siluMultiply(gate.start, up.start, gate.start, gate.count)
        #expect(gate.array == expected)
    }

    /// In a row whose largest entry is 0, entry / largest is the exponential itself.
    @Test(arguments: Variant.available)
    func exponentialHasSmallRelativeError(variant: Variant) {
        for start in stride(from: Float(0), to: -87, by: -0.01) {
            let row = (0..<17).map { $0 == 5 ? 0 : start - Float($0) * 0x1p-12 }
            var x = row
            variant.kernels.softmax(&x, 1, row.count, row.count, 1)
            guard x[5] > 0 else { Issue.record("the largest entry vanished"); return }
            for (z, value) in zip(row, x) {
                let exact = exp(Double(z))
                guard exact > 1e-37 else { continue }
                // Two more roundings: the division by the sum, of the entry and of the largest.
                #expect(abs(Double(value) / Double(x[5]) - exact) <= (3e-7 + 1.2e-7) * exact, "at \(z)")
            }
        }
    }

    @Test(arguments: Variant.available, awkwardSizes)
    func softmaxMatchesDouble(variant: Variant, columns: Int) {
        guard columns > 0 else { return }
        var values = SeededValues(seed: 12)
        let stride = columns + 3, rows = 4
        for scale in [Float(1), 0.125, -2] {
            let before = values.floats((rows - 1) * stride + columns, scale: 20)
            let x = EdgeBuffer(before)
            variant.kernels.softmax(x.start, rows, columns, stride, scale)
            for row in 0..<rows {
                let z = (0..<columns).map { Double(before[row * stride + $0] * scale) }
                let top = z.max() ?? 0, e = z.map { exp($0 - top) }, sum = e.reduce(0, +)
                for column in 0..<columns {
                    let exact = e[column] / sum
                    // The difference from the largest is rounded to f32: up to 40 * 2^-24 of relative error.
                    #expect(abs(Double(x.start[row * stride + column]) - exact) <= 4e-6 * exact + 1e-37)
                }
                if row < rows - 1 { #expect(x.start[row * stride + columns] == before[row * stride + columns]) }
            }
        }
    }

    @Test(arguments: Variant.available)
    func softmaxOfMaskedRows(variant: Variant) {
        for columns in [1, 5, 16, 40] {
            var x = [Float](repeating: -.infinity, count: 2 * columns)
            x[columns + columns / 2] = 3
            variant.kernels.softmax(&x, 2, columns, columns, 0.5)
            var expected = [Float](repeating: 0, count: 2 * columns)
            expected[columns + columns / 2] = 1
            #expect(x == expected)
        }
        var large: [Float] = [3e38, -3e38, 3e38, 0]
        variant.kernels.softmax(&large, 1, 4, 4, 1)
        #expect(large == [0.5, 0, 0.5, 0])
    }

    /// In parts of any size, softmax times V is what it is in one.
    @Test(arguments: Variant.available, [1, 3, 16, 50, 128])
    func softmaxInPartsMatchesDouble(variant: Variant, part: Int) {
        var values = SeededValues(seed: 14)
        let (rows, columns, width) = (3, 131, 19)
        for scale in [Float(1), 0.125, -2] {
            let z = values.floats(rows * columns, scale: 20), v = values.floats(columns * width)
            var most = [Float](repeating: -.infinity, count: rows), sum = [Float](repeating: 0, count: rows)
            // Of a row without columns so far nothing is read.
            let y = EdgeBuffer(repeating: Float.nan, count: rows * width)
            for first in stride(from: 0, to: columns, by: part) {
                let count = min(part, columns - first)
                let x = EdgeBuffer((0..<rows).flatMap { row in (0..<count).map { z[row * columns + first + $0] } })
                variant.kernels.softmaxPart(x.start, rows, count, count, scale, &most, &sum, y.start, width, width)
                for row in 0..<rows {
                    for column in 0..<width {
                        let terms = (0..<count).map { x.start[row * count + $0] * v[(first + $0) * width + column] }
                        y.start[row * width + column] = terms.reduce(first == 0 ? 0 : y.start[row * width + column], +)
                    }
                }
            }
            for row in 0..<rows {
                let scaled = (0..<columns).map { Double(z[row * columns + $0] * scale) }
                let top = scaled.max() ?? 0, e = scaled.map { exp($0 - top) }, total = e.reduce(0, +)
                #expect(Double(most[row]) == top)
                #expect(abs(Double(sum[row]) - total) <= 1e-5 * total)
                for column in 0..<width {
                    let exact = (0..<columns).reduce(0) { $0 + e[$1] * Double(v[$1 * width + column]) } / total
                    #expect(abs(Double(y.start[row * width + column] / sum[row]) - exact) < 2e-5)
                }
            }
        }
    }

    @Test(arguments: Variant.available)
    func softmaxInPartsSkipsWhatIsMasked(variant: Variant) {
        var most: [Float] = [-.infinity], sum: [Float] = [0], y: [Float] = [7]
        var masked = [Float](repeating: -.infinity, count: 21)
        variant.kernels.softmaxPart(&masked, 1, 21, 21, 0.5, &most, &sum, &y, 1, 1)
        #expect(masked.allSatisfy { $0 == 0 })
        #expect(most == [-.infinity] && sum == [0] && y == [7])
        var one: [Float] = [4]
        variant.kernels.softmaxPart(&one, 1, 1, 1, 0.5, &most, &sum, &y, 1, 1)
        #expect(one == [1] && most == [2] && sum == [1] && y == [7])
        var larger: [Float] = [-.infinity, 2000]
        variant.kernels.softmaxPart(&larger, 1, 2, 2, 0.5, &most, &sum, &y, 1, 1)
        #expect(larger == [0, 1] && most == [1000] && sum == [1] && y == [0])
    }

    @Test(arguments: Variant.available)
    func notANumberIsNotHidden(variant: Variant) {
        let kernels = variant.kernels
        for count in [3, 16, 19] {
            let one = [Float](repeating: 1, count: count)
            var x = one
            x[count - 1] = .nan
            var y = x
            kernels.gelu(&y, nil, count)
            #expect(y[count - 1].isNaN && !y[0].isNaN)
            y = x
            kernels.geluTanh(&y, count)
            #expect(y[count - 1].isNaN && !y[0].isNaN)
            kernels.siluMultiply(x, one, &y, count)
            #expect(y[count - 1].isNaN && !y[0].isNaN)
            y = x
            kernels.softmax(&y, 1, count, count, 1)
            #expect(y.allSatisfy { $0.isNaN })
        }
    }

    @Test(arguments: Variant.available, [2, 6, 16, 32, 64, 66, 128])
    func rotationTurnsPairs(variant: Variant, dimension: Int) {
        var values = SeededValues(seed: 13)
        let half = dimension / 2, heads = 3
        let angles = values.floats(half, scale: 3)
        let cosine = EdgeBuffer(angles.map { Float(cos(Double($0))) }), sine = EdgeBuffer(angles.map { Float(sin(Double($0))) })
        let before = values.floats(heads * dimension)
        let x = EdgeBuffer(before)
        variant.kernels.rotate(x.start, cosine.start, sine.start, heads, dimension)
        for head in 0..<heads {
            for j in 0..<half {
                let first = head * dimension + j, second = first + half
                let a = Double(before[first]), b = Double(before[second]), c = Double(cosine.start[j]), s = Double(sine.start[j])
                #expect(abs(Double(x.start[first]) - (a * c - b * s)) < 2e-7)
                #expect(abs(Double(x.start[second]) - (b * c + a * s)) < 2e-7)
            }
        }
    }
}
