/// How many directions each of several bases keeps when all share one budget of numbers.
public struct RankBudget: Sendable {
    /// Directions that each has.
    public let widths: [Int]
    /// Ranks are multiples of this, or all there is.
    public let step: Int

    public init(widths: [Int], step: Int) {
        self.widths = widths
        self.step = step
    }

    /// Ranks of `total` numbers or, where that is between two steps, the next fewer: from all directions on, the basis goes down
    /// by one step whose lowering costs least for each number it saves (MatryoshkaKV, arXiv 2410.14731, its greedy search).
    /// - Parameter losses: for each basis, what is lost at every rank from 0 to all; falls with the rank.
    /// - Throws: `RewritingError.unreachable`.
    public func greedy(total: Int, losses: [[Double]]) throws -> [Int] {
        try lowered(to: total) { basis, from, to in (losses[basis][to] - losses[basis][from]) / Double(from - to) }
    }

    /// Ranks that are as alike as steps allow.
    /// - Throws: `RewritingError.unreachable`.
    public func uniform(total: Int) throws -> [Int] {
        try lowered(to: total) { _, from, _ in -Double(from) }
    }

    private func lowered(to total: Int, price: (_ basis: Int, _ from: Int, _ to: Int) -> Double) throws -> [Int] {
        var ranks = widths
        var left = ranks.reduce(0, +)
        while left > total {
            var best: (basis: Int, price: Double, rank: Int)?
            for basis in ranks.indices where ranks[basis] > step {
                let rank = (ranks[basis] - 1) / step * step
                let own = price(basis, ranks[basis], rank)
                if own < best?.price ?? .infinity { best = (basis, own, rank) }
            }
            guard let best else {
                throw RewritingError.unreachable(target: "a cache of \(total) numbers a token", least: "\(left)")
            }
            left -= ranks[best.basis] - best.rank
            ranks[best.basis] = best.rank
        }
        return ranks
    }
}
