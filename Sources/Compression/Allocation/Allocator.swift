/// One way to keep one matrix, as the allocator sees it.
public struct AllocationChoice: Sendable, Equatable {
    /// In the budget's unit: bytes, multiply-adds, or nanoseconds.
    public let cost: Int
    /// In the unit of a second budget, where there is one.
    public let secondCost: Int
    /// Estimated harm to the model's output; additive over matrices.
    public let damage: Double

    public init(cost: Int, secondCost: Int = 0, damage: Double) {
        self.cost = cost
        self.secondCost = secondCost
        self.damage = damage
    }
}

extension AllocationChoice {
    /// Choices that are best at something: of those that cost no more under either budget, none has as little damage. The
    /// first of equals stays.
    package static func undominated(_ choices: [Self]) -> [Int] {
        choices.indices.filter { index in
            let one = choices[index]
            return !choices.indices.contains { other in
                let two = choices[other]
                guard other != index, two.cost <= one.cost, two.secondCost <= one.secondCost, two.damage <= one.damage
                else { return false }
                return other < index || two.cost < one.cost || two.secondCost < one.secondCost || two.damage < one.damage
            }
        }
    }
}

/// The allocator's answer.
public struct Allocation: Sendable, Equatable {
    /// For each matrix, the index of its choice.
    public let choices: [Int]
    public let cost: Int
    public let secondCost: Int
    public let damage: Double
    /// No choice within the budgets has less damage than this (the Lagrangian dual's value).
    public let lowerBound: Double
}

/// A budget in the allocator's integers, and what it counts, for messages.
public struct AllocationLimit: Sendable, Equatable {
    public let amount: Int
    /// "bytes", "multiply-adds", "nanoseconds".
    public let quantity: String

    public init(_ amount: Int, _ quantity: String) {
        self.amount = amount
        self.quantity = quantity
    }
}

/// The multiple-choice knapsack: one choice for each matrix, total cost within the budget, least total
/// damage.
///
/// Three steps. The Lagrangian dual (bisection on the price of one unit of cost) gives a lower bound and a
/// feasible start. Dynamic programming over costs rounded up to 1/`resolution` of the budget gives a feasible
/// solution that is optimal but for the rounding. Exchanges of one or two matrices' choices at exact costs
/// then use what rounding left over. Cost: O(matrices x choices x resolution) for the programme.
///
/// A second budget gets a price of its own: at a given price its cost is part of the damage, and what remains
/// is the problem with one budget. The price is found by bisection; the programme is run at a few prices
/// around it, and the exchanges keep within both budgets. Every answer is checked against both at exact
/// costs.
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
        return answer(best, table, bound)
    }

    /// With two budgets, or one.
    /// - Throws: `CompressionError.budgetTooSmall` when a budget cannot be met by itself,
    ///   `.budgetsTooSmallTogether` when no choice that meets both is found.
    public func solve(
        _ table: [[AllocationChoice]], limit: AllocationLimit, second: AllocationLimit?
    ) throws -> Allocation {
        guard let second else { return try solve(table, budget: limit.amount, quantity: limit.quantity) }
        return try solvePair(table, limit, second)
    }

    func answer(_ choices: [Int], _ table: [[AllocationChoice]], _ bound: Double) -> Allocation {
        Allocation(
            choices: choices, cost: cost(choices, table), secondCost: secondCost(choices, table),
            damage: damage(choices, table), lowerBound: min(bound, damage(choices, table)))
    }

    func cost(_ choices: [Int], _ table: [[AllocationChoice]]) -> Int {
        zip(choices, table).reduce(0) { $0 + $1.1[$1.0].cost }
    }

    func secondCost(_ choices: [Int], _ table: [[AllocationChoice]]) -> Int {
        zip(choices, table).reduce(0) { $0 + $1.1[$1.0].secondCost }
    }

    func damage(_ choices: [Int], _ table: [[AllocationChoice]]) -> Double {
        zip(choices, table).reduce(0) { $0 + $1.1[$1.0].damage }
    }

    /// The cheapest choices at the smallest price that keeps within the budget, and the dual's best value.
    func lagrangian(_ table: [[AllocationChoice]], budget: Int) -> (choices: [Int], bound: Double) {
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
        var feasible = table.map { choices in choices.indices.min { choices[$0].cost < choices[$1].cost } ?? 0
        }
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
}
