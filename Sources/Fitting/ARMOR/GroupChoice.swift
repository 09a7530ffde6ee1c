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

    /// The choices, as bits.
    private let choices: [Int]
    /// Every group's 4 x 4 block of H, column by column.
    private let blocks: [[SIMD4<Double>]]
    /// For every group and choice the inverse of the chosen part of its block, zero elsewhere, column by column.
    private let inverses: [[SIMD4<Double>]]

    /// - Parameter h: what the curvature of every row is a multiple of.
    init(kept: Int, h: DoubleMatrix) {
        let choices = (1..<15).filter { $0.nonzeroBitCount == kept }
        self.choices = choices
        let blocks = stride(from: 0, to: h.columns, by: 4).map { first in
            (0..<4).map { column in
                SIMD4<Double>(
                    h[first, first + column], h[first + 1, first + column], h[first + 2, first + column],
                    h[first + 3, first + column])
            }
        }
        self.blocks = blocks
        inverses = blocks.flatMap { block in choices.map { Self.inverse(of: block, keeping: $0) } }
    }

    /// By Gauss-Jordan elimination, with a tiny ridge; zero where the part is singular even so.
    private static func inverse(of block: [SIMD4<Double>], keeping keeps: Int) -> [SIMD4<Double>] {
        let places = (0..<4).filter { keeps & (1 << $0) != 0 }
        var rows = places.map { place in
            (
                left: SIMD4(block[0][place], block[1][place], block[2][place], block[3][place]),
                right: SIMD4<Double>.zero
            )
        }
        for (index, place) in places.enumerated() {
            rows[index].left[place] *= 1 + 1e-9
            rows[index].right[place] = 1
        }
        for (index, place) in places.enumerated() {
            let pivot = rows[index].left[place]
            guard pivot > 0 else { return Array(repeating: .zero, count: 4) }
            rows[index] = (rows[index].left / pivot, rows[index].right / pivot)
            for other in rows.indices where other != index {
                let factor = rows[other].left[place]
                rows[other].left -= factor * rows[index].left
                rows[other].right -= factor * rows[index].right
            }
        }
        var columns = [SIMD4<Double>](repeating: .zero, count: 4)
        for (index, place) in places.enumerated() {
            for column in places { columns[column][place] = rows[index].right[column] }
        }
        return columns
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
        let first = row * core.columns + column
        let number = column / 4
        var current = 0
        var target = SIMD4<Double>.zero
        for place in 0..<4 {
            if mask[first + place] { current |= 1 << place }
            target[place] = gradient.elements[first + place]
        }
        // The gradient were the group zero.
        for place in 0..<4 { target += weight * core.elements[first + place] * blocks[number][place] }
        var now = 0.0
        var (bestChoice, bestGain) = (-1, 0.0)
        for (index, keeps) in choices.enumerated() {
            let gain = (target * values(number * choices.count + index, target)).sum() / weight
            if keeps == current { now = gain }
            if gain > bestGain { (bestChoice, bestGain) = (index, gain) }
        }
        guard bestChoice >= 0, choices[bestChoice] != current, bestGain - now > 1e-9 * now else { return nil }
        return Change(
            column: column, keeps: choices[bestChoice],
            values: values(number * choices.count + bestChoice, target) / weight, gain: bestGain - now)
    }

    /// The best numbers of a choice, times the row's weight.
    private func values(_ index: Int, _ target: SIMD4<Double>) -> SIMD4<Double> {
        let columns = inverses[index]
        return columns[0] * target[0] + columns[1] * target[1] + columns[2] * target[2] + columns[3] * target[3]
    }
}
