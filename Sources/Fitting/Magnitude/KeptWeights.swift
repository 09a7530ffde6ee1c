import Tensors

/// Which weights are worth keeping: |w| times the size of its input (Sun et al. 2023, arXiv 2306.11695, "Wanda"); |w| alone
/// under Frobenius.
struct KeptWeights {
    private let weight: Matrix
    /// Mean squares of the inputs.
    private let importance: [Double]?

    init(_ weight: Matrix, objective: Objective) {
        self.weight = weight
        importance = objective.gram?.diagonal
    }

    /// Whether the weight of one column goes before that of another: by score, then by |w|, then by column.
    func precedes(row: Int, _ first: Int, _ second: Int) -> Bool {
        precedes((row, first), (row, second))
    }

    func precedes(_ first: (row: Int, column: Int), _ second: (row: Int, column: Int)) -> Bool {
        let (a, b) = (score(first), score(second))
        if a != b { return a > b }
        let (x, y) = (abs(weight[first.row, first.column]), abs(weight[second.row, second.column]))
        return x != y ? x > y : first < second
    }

    private func score(_ place: (row: Int, column: Int)) -> Double {
        let value = Double(weight[place.row, place.column])
        return value * value * (importance?[place.column] ?? 1)
    }
}
