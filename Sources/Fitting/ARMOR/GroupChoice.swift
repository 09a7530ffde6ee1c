import Tensors

/// New places and numbers for groups of 4 of a row, when everything else stays: all choices of `kept` places are tried, each
/// with its exact least squares.
struct GroupChoice {
    struct Change {
        let column: Int
        /// Bit i: place i is kept.
        let keeps: Int
        let values: SIMD4<Double>
        let gain: Double
    }

    private let h: DoubleMatrix
    /// The choices, as bits.
    private let choices: [Int]

    init(kept: Int, h: DoubleMatrix) {
        self.h = h
        choices = (1..<15).filter { $0.nonzeroBitCount == kept }
    }

    /// The changes of a row's groups that gain most, those only that change places.
    /// - Parameters:
    ///   - gradient: the negative gradient with respect to the core.
    ///   - weight: what the row's curvature is multiplied by.
    func best(
        _ row: Int, _ core: DoubleMatrix, _ gradient: DoubleMatrix, _ mask: [Bool], weight: Double, count: Int
    ) -> [Change] {
        var changes: [Change] = []
        for column in stride(from: 0, to: core.columns, by: 4) {
            if let change = change(row, column, core, gradient, mask, weight) { changes.append(change) }
        }
        return Array(changes.sorted { ($0.gain, $1.column) > ($1.gain, $0.column) }.prefix(count))
    }

    private func change(
        _ row: Int, _ column: Int, _ core: DoubleMatrix, _ gradient: DoubleMatrix, _ mask: [Bool], _ weight: Double
    ) -> Change? {
        var current = 0
        var target = SIMD4<Double>.zero
        for place in 0..<4 {
            if mask[row * core.columns + column + place] { current |= 1 << place }
            target[place] = gradient[row, column + place]
            for other in 0..<4 { target[place] += weight * h[column + place, column + other] * core[row, column + other] }
        }
        let now = solved(current, column, target, weight).gain
        var best: Change?
        for keeps in choices where keeps != current {
            let (values, gain) = solved(keeps, column, target, weight)
            if gain - now > max(best?.gain ?? 0, 1e-9 * now) {
                best = Change(column: column, keeps: keeps, values: values, gain: gain - now)
            }
        }
        return best
    }

    /// The best numbers in given places and what they lower the error by: Gaussian elimination of at most 3 unknowns.
    private func solved(
        _ keeps: Int, _ column: Int, _ target: SIMD4<Double>, _ weight: Double
    ) -> (values: SIMD4<Double>, gain: Double) {
        let places = (0..<4).filter { keeps & (1 << $0) != 0 }
        var a = [SIMD4<Double>](repeating: .zero, count: places.count)
        var b = SIMD4<Double>.zero
        for (i, place) in places.enumerated() {
            for (j, other) in places.enumerated() { a[i][j] = weight * h[column + place, column + other] }
            b[i] = target[place]
        }
        for i in places.indices {
            a[i][i] *= 1 + 1e-9
            guard a[i][i] > 0 else { return (.zero, 0) }
            for k in places.indices where k > i {
                let factor = a[k][i] / a[i][i]
                a[k] -= factor * a[i]
                b[k] -= factor * b[i]
            }
        }
        var values = SIMD4<Double>.zero
        var x = SIMD4<Double>.zero
        for i in places.indices.reversed() {
            var sum = b[i]
            for j in places.indices where j > i { sum -= a[i][j] * x[j] }
            x[i] = sum / a[i][i]
        }
        var gain = 0.0
        for (i, place) in places.enumerated() {
            values[place] = x[i]
            gain += x[i] * target[place]
        }
        return (values, gain)
    }
}
