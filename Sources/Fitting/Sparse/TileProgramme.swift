import Tensors

/// The binary quadratic programme of one row of tiles: which of its columns to keep.
struct TileProgramme {
    let gram: DoubleMatrix
    /// Rows of the tile x columns.
    let weight: DoubleMatrix
    private(set) var values: DoubleMatrix
    /// The error times G.
    private var gradient: DoubleMatrix
    private(set) var keeps: [Bool]
    private let updatesWeights: Bool

    /// More choices than these are searched by swaps instead of tried.
    private static let mostChoices = 1000

    init(
        gram: DoubleMatrix, weight: DoubleMatrix, values: DoubleMatrix, gradient: DoubleMatrix, keeps: [Bool],
        updatesWeights: Bool
    ) {
        self.gram = gram
        self.weight = weight
        self.values = values
        self.gradient = gradient
        self.keeps = keeps
        self.updatesWeights = updatesWeights
    }

    /// What toggling a column adds to the error of a row: the value that goes, or minus the one that comes.
    private func change(_ row: Int, _ column: Int) -> Double {
        if keeps[column] { return values[row, column] }
        if !updatesWeights { return -weight[row, column] }
        let diagonal = gram[column, column]
        return diagonal > 0 ? -gradient[row, column] / diagonal : 0
    }

    /// The change of the loss when one column alone is toggled.
    private func cost(_ column: Int) -> Double {
        var (linear, square) = (0.0, 0.0)
        for row in 0..<weight.rows {
            let change = change(row, column)
            linear += change * gradient[row, column]
            square += change * change
        }
        return 2 * linear + square * gram[column, column]
    }

    /// The columns nearest to the boundary: half of them kept, half dropped, as far as there are so many.
    func boundary(_ count: Int) -> [Int] {
        var (kept, dropped) = ([(cost: Double, column: Int)](), [(cost: Double, column: Int)]())
        for column in keeps.indices {
            if keeps[column] { kept.append((cost(column), column)) } else { dropped.append((cost(column), column)) }
        }
        kept.sort { $0 < $1 }
        dropped.sort { $0 < $1 }
        let fromKept = max(min(kept.count, count / 2), min(kept.count, count - dropped.count))
        return (kept.prefix(fromKept) + dropped.prefix(count - fromKept)).map(\.column)
    }

    /// Toggles as many kept as dropped columns of a block, those that lower the loss most; false where none do.
    mutating func solve(_ block: [Int]) -> Bool {
        let changes = DoubleMatrix(rows: weight.rows, columns: block.count) { change($0, block[$1]) }
        var programme = BlockProgramme(keeps: block.map { keeps[$0] })
        for (i, first) in block.enumerated() {
            for (j, second) in block.enumerated() {
                var product = 0.0
                for row in 0..<weight.rows { product += changes[row, i] * changes[row, j] }
                programme.quadratic[i, j] = product * gram[first, second]
            }
            for row in 0..<weight.rows { programme.linear[i] += 2 * changes[row, i] * gradient[row, first] }
        }
        let toggles = programme.choices <= Self.mostChoices ? programme.best() : programme.bestBySwaps()
        guard !toggles.isEmpty else { return false }
        for index in toggles {
            let column = block[index]
            for row in 0..<weight.rows {
                let change = changes[row, index]
                values[row, column] = keeps[column] ? 0 : -change
                gram.withView { g in
                    let source = g.row(column)
                    gradient.withMutableView { v in
                        let target = v.row(row)
                        for other in 0..<v.columns { target[other] += change * source[other] }
                    }
                }
            }
            keeps[column].toggle()
        }
        return true
    }
}

/// Minimises sum z_i linear_i + sum z_i z_j quadratic_ij over z in {0, 1}^n that toggle as many kept as dropped entries.
struct BlockProgramme {
    let keeps: [Bool]
    var linear: [Double]
    var quadratic: DoubleMatrix

    /// Gains smaller than this, relative to the block's diagonal, are rounding.
    private static let smallestGain = 1e-10

    init(keeps: [Bool]) {
        self.keeps = keeps
        linear = [Double](repeating: 0, count: keeps.count)
        quadratic = DoubleMatrix(rows: keeps.count, columns: keeps.count)
    }

    /// Masks of the block with as many kept; stops counting at a million.
    var choices: Int {
        let kept = keeps.count { $0 }
        var result = 1
        for index in 0..<min(kept, keeps.count - kept) {
            result = result * (keeps.count - index) / (index + 1)
            if result > 1_000_000 { return result }
        }
        return result
    }

    private var threshold: Double {
        -Self.smallestGain * keeps.indices.reduce(0) { $0 + quadratic[$1, $1] }
    }

    /// The exact minimum, by trying all choices; empty where no choice gains.
    func best() -> [Int] {
        var remaining = [(kept: Int, dropped: Int)](repeating: (0, 0), count: keeps.count + 1)
        for index in keeps.indices.reversed() {
            remaining[index] = remaining[index + 1]
            if keeps[index] { remaining[index].kept += 1 } else { remaining[index].dropped += 1 }
        }
        var (best, bestValue) = ([Int](), threshold)
        var chosen: [Int] = []
        func visit(_ index: Int, _ value: Double, _ surplus: Int) {
            // More kept than dropped entries toggled so far, or fewer: the rest has to make up for it.
            guard surplus <= remaining[index].dropped, -surplus <= remaining[index].kept else { return }
            guard index < keeps.count else {
                if value < bestValue { (best, bestValue) = (chosen, value) }
                return
            }
            visit(index + 1, value, surplus)
            var more = linear[index] + quadratic[index, index]
            for other in chosen { more += 2 * quadratic[index, other] }
            chosen.append(index)
            visit(index + 1, value + more, surplus + (keeps[index] ? 1 : -1))
            chosen.removeLast()
        }
        visit(0, 0, 0)
        return best
    }

    /// A local minimum: the best swap of an entry kept and one dropped, again and again.
    func bestBySwaps() -> [Int] {
        var keeps = keeps
        var toggled = [Bool](repeating: false, count: keeps.count)
        // What toggling each entry now would add, but for its own square.
        var slope = linear
        let threshold = threshold
        for _ in 0..<4 * keeps.count {
            var (best, pair) = (threshold, (-1, -1))
            func step(_ index: Int) -> Double { toggled[index] ? -1 : 1 }
            for first in keeps.indices where keeps[first] {
                for second in keeps.indices where !keeps[second] {
                    let value =
                        step(first) * slope[first] + quadratic[first, first] + step(second) * slope[second]
                        + quadratic[second, second] + 2 * step(first) * step(second) * quadratic[first, second]
                    if value < best { (best, pair) = (value, (first, second)) }
                }
            }
            guard pair.0 >= 0 else { break }
            for index in [pair.0, pair.1] {
                let step = step(index)
                for other in keeps.indices { slope[other] += 2 * step * quadratic[index, other] }
                toggled[index].toggle()
                keeps[index].toggle()
            }
        }
        return keeps.indices.filter { toggled[$0] }
    }
}
