import CKernels
import Testing

/// Element-by-element kernels and normalisation of every variant against plain Swift.
@Suite struct VectorTests {
    @Test(arguments: Variant.available, awkwardSizes)
    func elementwise(variant: Variant, count: Int) {
        let kernels = variant.kernels
        var values = SeededValues(seed: 7)
        let a = EdgeBuffer(values.floats(count)), b = EdgeBuffer(values.floats(count))

        let product = EdgeBuffer<Float>(repeating: 9, count: count)
        kernels.multiplyElements(a.start, b.start, product.start, count)
        #expect(product.array == zip(a.array, b.array).map { $0 * $1 })

        let sum = EdgeBuffer(b.array)
        kernels.add(sum.start, a.start, count)
        #expect(sum.array == zip(a.array, b.array).map { $0 + $1 })
        kernels.add(sum.start, sum.start, count)
        #expect(sum.array == zip(a.array, b.array).map { 2 * ($0 + $1) })

        let scaled = EdgeBuffer(b.array)
        kernels.addScaled(scaled.start, a.start, -0.75, count)
        for (index, value) in scaled.array.enumerated() {
            let exact = Double(b.start[index]) - 0.75 * Double(a.start[index])
            #expect(abs(Double(value) - exact) <= 1.3e-7)
        }

        let dot = Double(kernels.dot(a.start, b.start, count))
        let terms = zip(a.array, b.array).map { Double($0) * Double($1) }
        #expect(abs(dot - terms.reduce(0, +)) <= 1e-6 * terms.reduce(0) { $0 + abs($1) })
    }

    @Test(arguments: Variant.available)
    func biasGoesToEveryRow(variant: Variant) {
        for columns in [1, 7, 16, 33] {
            let stride = columns + 2
            var values = SeededValues(seed: 8)
            let before = values.floats(2 * stride + columns), bias = EdgeBuffer(values.floats(columns))
            let y = EdgeBuffer(before)
            variant.kernels.addBias(y.start, bias.start, 3, columns, stride)
            for index in before.indices {
                let column = index % stride
                #expect(y.start[index] == (column < columns ? before[index] + bias.start[column] : before[index]))
            }
        }
    }

    struct Normalisation: Sendable {
        var residual: Bool, weight: Bool, bias: Bool, inPlace: Bool
    }

    static let forms = [
        Normalisation(residual: false, weight: true, bias: true, inPlace: false),
        Normalisation(residual: true, weight: true, bias: true, inPlace: false),
        Normalisation(residual: true, weight: true, bias: true, inPlace: true),
        Normalisation(residual: false, weight: false, bias: false, inPlace: true),
        Normalisation(residual: true, weight: true, bias: false, inPlace: false),
    ]

    @Test(arguments: Variant.available, forms)
    func layerNorm(variant: Variant, form: Normalisation) {
        let kernels = variant.kernels
        var values = SeededValues(seed: 9)
        for columns in awkwardSizes where columns > 0 {
            let rows = 3, xStride = columns + 1, rStride = columns + 4, yStride = form.inPlace ? xStride : columns + 2
            // An offset larger than the spread, so that a one-pass variance would be seen.
            let x = EdgeBuffer(values.floats((rows - 1) * xStride + columns).map { $0 + 30 })
            let residual = EdgeBuffer(values.floats((rows - 1) * rStride + columns))
            let weight = EdgeBuffer(values.floats(columns)), bias = EdgeBuffer(values.floats(columns))
            let input = x.array
            let y = form.inPlace ? x : EdgeBuffer<Float>(repeating: 5, count: (rows - 1) * yStride + columns)
            let before = y.array
            kernels.layerNorm(
                x.start, xStride, form.residual ? residual.start : nil, rStride, form.weight ? weight.start : nil,
                form.bias ? bias.start : nil, y.start, yStride, rows, columns, 1e-5)
            for row in 0..<rows {
                let s = (0..<columns).map { column in
                    Double(input[row * xStride + column] + (form.residual ? residual.start[row * rStride + column] : 0))
                }
                let mean = s.reduce(0, +) / Double(columns)
                let variance = s.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
                for column in 0..<columns {
                    var exact = (s[column] - mean) / (variance + 1e-5).squareRoot()
                    if form.weight { exact *= Double(weight.start[column]) }
                    if form.bias { exact += Double(bias.start[column]) }
                    // 30 carries a rounding error of 2e-6, and a single column divides it by sqrt(1e-5).
                    let tolerance = columns == 1 ? 2e-3 : 4e-5
                    #expect(abs(Double(y.start[row * yStride + column]) - exact) < tolerance, "\(columns) columns")
                }
                for gap in columns..<yStride where row * yStride + gap < before.count {
                    #expect(y.start[row * yStride + gap] == before[row * yStride + gap])
                }
            }
        }
    }

    @Test(arguments: Variant.available, [false, true])
    func rmsNorm(variant: Variant, weighted: Bool) {
        var values = SeededValues(seed: 10)
        for columns in awkwardSizes where columns > 0 {
            let rows = 3, xStride = columns + 1, yStride = columns + 2
            let x = EdgeBuffer(values.floats((rows - 1) * xStride + columns, scale: 3))
            let weight = EdgeBuffer(values.floats(columns))
            let y = EdgeBuffer<Float>(repeating: 5, count: (rows - 1) * yStride + columns)
            variant.kernels.rmsNorm(
                x.start, xStride, weighted ? weight.start : nil, y.start, yStride, rows, columns, 1e-6)
            for row in 0..<rows {
                let s = (0..<columns).map { Double(x.start[row * xStride + $0]) }
                let mean = s.reduce(0) { $0 + $1 * $1 } / Double(columns)
                for column in 0..<columns {
                    let exact = s[column] / (mean + 1e-6).squareRoot() * (weighted ? Double(weight.start[column]) : 1)
                    #expect(abs(Double(y.start[row * yStride + column]) - exact) <= 1e-6 * max(1, abs(exact)))
                }
                if row < rows - 1 { #expect(y.start[row * yStride + columns] == 5) }
            }
            let expected = y.array
            let inPlace = EdgeBuffer(x.array)
            variant.kernels.rmsNorm(
                inPlace.start, xStride, weighted ? weight.start : nil, inPlace.start, xStride, rows, columns, 1e-6)
            for row in 0..<rows {
                for column in 0..<columns {
                    #expect(inPlace.start[row * xStride + column] == expected[row * yStride + column])
                }
            }
        }
    }
}
