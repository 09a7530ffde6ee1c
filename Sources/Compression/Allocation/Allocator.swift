/// One way to keep one matrix, as the allocator sees it.
public struct AllocationChoice: Sendable, Equatable {
    /// In the budget's unit: bytes or multiply-adds.
    public let cost: Int
    /// Estimated harm to the model's output; additive over matrices.
    public let damage: Double

    public init(cost: Int, damage: Double) {
        self.cost = cost
        self.damage = damage
    }
}

/// The allocator's answer.
public struct Allocation: Sendable, Equatable {
    /// For each matrix, the index of its choice.
    public let choices: [Int]
    public let cost: Int
    public let damage: Double
    /// No choice within the budget has less damage than this (the Lagrangian dual's value).
    public let lowerBound: Double
}

/// The multiple-choice knapsack: one choice for each matrix, total cost within the budget, least total damage.
///
/// Three steps. The Lagrangian dual (bisection on the price of one unit of cost) gives a lower bound and a
/// feasible start. Dynamic programming over costs rounded up to 1/`resolution` of the budget gives a feasible
/// solution that is optimal but for the rounding. Exchanges of one or two matrices' choices at exact costs then
/// use what rounding left over. Cost: O(matrices x choices x resolution) for the programme.
public struct Allocator: Sendable {
    public var resolution = 16_384

    public init() {}

    /// - Throws: `CompressionError.budgetTooSmall` when even the cheapest choices exceed the budget.
    public func solve(_ table: [[AllocationChoice]], budget: Int, quantity: String) throws -> Allocation {
        let smallest = table.reduce(0) { $0 + ($1.map(\.cost).min() ?? 0) }
        guard smallest <= budget else {
            throw CompressionError.budgetTooSmall(quantity: quantity, budget: budget, smallest: smallest)
        }
        let (dual, bound) = lagrangian(table, budget: budget)
        var best = exchange(dual, table, budget: budget)
        if let programmed = programme(table, budget: budget) {
            let polished = exchange(programmed, table, budget: budget)
            if damage(polished, table) < damage(best, table) { best = polished }
        }
        return Allocation(
            choices: best, cost: cost(best, table), damage: damage(best, table), lowerBound: min(bound, damage(best, table)))
    }

    func cost(_ choices: [Int], _ table: [[AllocationChoice]]) -> Int {
        zip(choices, table).reduce(0) { $0 + $1.1[$1.0].cost }
    }

    func damage(_ choices: [Int], _ table: [[AllocationChoice]]) -> Double {
        zip(choices, table).reduce(0) { $0 + $1.1[$1.0].damage }
    }

    /// The cheapest choices at the smallest price that keeps within the budget, and the dual's best value.
    private func lagrangian(_ table: [[AllocationChoice]], budget: Int) -> (choices: [Int], bound: Double) {
        func atPrice(_ price: Double) -> [Int] {
            table.map { choices in
                choices.indices.min {
                    let left = (choices[$0].damage + price * Double(choices[$0].cost), choices[$0].cost)
                    let right = (choices[$1].damage + price * Double(choices[$1].cost), choices[$1].cost)
                    return left < right
                } ?? 0
            }
        }
        func value(_ choices: [Int], _ price: Double) -> Double {
            damage(choices, table) + price * (Double(cost(choices, table)) - Double(budget))
        }
        let free = atPrice(0)
        if cost(free, table) <= budget { return (free, damage(free, table)) }
        let spread = table.flatMap { $0.map(\.damage) }.max() ?? 1
        var (low, high) = (0.0, max(spread, .leastNormalMagnitude))
        var feasible = table.map { choices in choices.indices.min { choices[$0].cost < choices[$1].cost } ?? 0 }
        var bound = value(free, 0)
        for _ in 0..<200 {
            let price = low == 0 ? high * 1e-12 + (high - high * 1e-12) / 2 : (low * high).squareRoot()
            let choices = atPrice(price)
            bound = max(bound, value(choices, price))
            if cost(choices, table) <= budget {
                feasible = choices
                high = price
            } else {
                low = price
            }
            if high <= low * (1 + 1e-12) { break }
        }
        return (feasible, bound)
    }

    /// Dynamic programming over rounded costs; nil when rounding up leaves nothing feasible.
    private func programme(_ table: [[AllocationChoice]], budget: Int) -> [Int]? {
        guard budget > 0 else { return nil }
        let bins = resolution
        func rounded(_ cost: Int) -> Int {
            let (product, overflow) = cost.multipliedReportingOverflow(by: bins)
            if overflow { return Int((Double(cost) / Double(budget) * Double(bins)).rounded(.up)) }
            return product / budget + (product % budget == 0 ? 0 : 1)
        }
        var best = [Double](repeating: .infinity, count: bins + 1)
        best[0] = 0
        var decisions: [[UInt16]] = []
        for choices in table {
            var next = [Double](repeating: .infinity, count: bins + 1)
            var decision = [UInt16](repeating: .max, count: bins + 1)
            for (index, choice) in choices.enumerated() where index < Int(UInt16.max) {
                let step = rounded(choice.cost)
                guard step <= bins else { continue }
                for total in step...bins {
                    let candidate = best[total - step] + choice.damage
                    if candidate < next[total] {
                        next[total] = candidate
                        decision[total] = UInt16(index)
                    }
                }
            }
            best = next
            decisions.append(decision)
        }
        guard var total = best.indices.min(by: { best[$0] < best[$1] }), best[total] < .infinity else { return nil }
        var choices = [Int](repeating: 0, count: table.count)
        for matrix in table.indices.reversed() {
            choices[matrix] = Int(decisions[matrix][total])
            total -= rounded(table[matrix][choices[matrix]].cost)
        }
        return choices
    }

    /// Improves a feasible solution by changing one or two matrices at a time, until nothing helps.
    private func exchange(_ start: [Int], _ table: [[AllocationChoice]], budget: Int) -> [Int] {
        var choices = start
        var room = budget - cost(start, table)
        for _ in 0..<50 {
            var improved = false
            for first in table.indices {
                let current = table[first][choices[first]]
                var best: (gain: Double, moves: [(Int, Int)])?
                for (index, option) in table[first].enumerated() where index != choices[first] {
                    let gain = current.damage - option.damage
                    let extra = option.cost - current.cost
                    if extra <= room {
                        if gain > (best?.gain ?? 1e-15) { best = (gain, [(first, index)]) }
                        continue
                    }
                    guard gain > 0 else { continue }
                    for second in table.indices where second != first {
                        let other = table[second][choices[second]]
                        for (otherIndex, otherOption) in table[second].enumerated()
                        where extra + otherOption.cost - other.cost <= room {
                            let total = gain + other.damage - otherOption.damage
                            if total > (best?.gain ?? 1e-15) { best = (total, [(first, index), (second, otherIndex)]) }
                        }
                    }
                }
                guard let best else { continue }
                for (matrix, index) in best.moves {
                    room -= table[matrix][index].cost - table[matrix][choices[matrix]].cost
                    choices[matrix] = index
                }
                improved = true
            }
            if !improved { break }
        }
        return choices
    }
}
