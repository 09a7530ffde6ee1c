extension Allocator {
    /// How the price of the second cost is varied around the one that bisection found. The programme cannot
    /// see the second budget, so a slightly higher price may be what keeps within it.
    private static let priceSteps = [0.9, 1.0, 1.03, 1.1, 1.3]

    func solvePair(
        _ table: [[AllocationChoice]], _ limit: AllocationLimit, _ second: AllocationLimit
    ) throws -> Allocation {
        let swapped = table.map { $0.map(\.swapped) }
        // A budget that the other implies needs no price.
        let alone = try solve(table, budget: limit.amount, quantity: limit.quantity)
        if alone.secondCost <= second.amount { return alone }
        let other = try solve(swapped, budget: second.amount, quantity: second.quantity)
        if other.secondCost <= limit.amount { return answer(other.choices, table, other.lowerBound) }

        var bound = max(alone.lowerBound, other.lowerBound)
        var starts: [[Int]] = []
        for (table, budget, priced) in [
            (table, limit.amount, second.amount), (swapped, second.amount, limit.amount),
        ] {
            let found = priceSecond(table, budget: budget, second: priced)
            bound = max(bound, found.bound)
            starts += found.starts
        }
        if starts.isEmpty { starts = [try fastest(table, limit, second)] }
        var best: [Int]?
        for start in starts {
            let polished = exchange(start, table, budget: limit.amount, second: second.amount)
            if damage(polished, table) < best.map({ damage($0, table) }) ?? .infinity { best = polished }
        }
        let choices = best ?? starts[0]
        precondition(
            cost(choices, table) <= limit.amount && secondCost(choices, table) <= second.amount,
            "an allocation exceeds a budget")
        return answer(choices, table, bound)
    }

    /// The dual over both prices, and choices within both budgets that were met on the way.
    private func priceSecond(
        _ table: [[AllocationChoice]], budget: Int, second: Int
    ) -> (starts: [[Int]], bound: Double) {
        func priced(_ price: Double) -> [[AllocationChoice]] {
            table.map { choices in
                choices.map {
                    AllocationChoice(
                        cost: $0.cost, secondCost: $0.secondCost,
                        damage: $0.damage + price * Double($0.secondCost))
                }
            }
        }
        func isWithin(_ choices: [Int]) -> Bool {
            cost(choices, table) <= budget && secondCost(choices, table) <= second
        }
        let spread = table.flatMap { $0.map(\.damage) }.max() ?? 1
        var (low, high) = (0.0, max(spread, .leastNormalMagnitude))
        var bound = -Double.infinity
        var feasible: [Int]?
        for _ in 0..<120 {
            let price = low == 0 ? high / 2 : (low * high).squareRoot()
            let (choices, value) = lagrangian(priced(price), budget: budget)
            bound = max(bound, value - price * Double(second))
            if secondCost(choices, table) <= second {
                if isWithin(choices) { feasible = choices }
                high = price
            } else {
                low = price
            }
            if high <= low * (1 + 1e-9) { break }
        }
        var starts = [feasible].compactMap { $0 }
        for step in Self.priceSteps {
            if let choices = programme(priced(high * step), budget: budget), isWithin(choices) {
                starts.append(choices)
            }
        }
        return (starts, bound)
    }

    /// The least second cost found within the first budget.
    private func fastest(
        _ table: [[AllocationChoice]], _ limit: AllocationLimit, _ second: AllocationLimit
    ) throws -> [Int] {
        let harm = table.map { choices in
            choices.map {
                AllocationChoice(cost: $0.cost, secondCost: $0.secondCost, damage: Double($0.secondCost))
            }
        }
        let choices = try solve(harm, budget: limit.amount, quantity: limit.quantity).choices
        guard secondCost(choices, table) <= second.amount else {
            throw CompressionError.budgetsTooSmallTogether(
                quantity: limit.quantity, budget: limit.amount, second: second.quantity,
                secondBudget: second.amount,
                smallest: secondCost(choices, table))
        }
        return choices
    }
}

extension AllocationChoice {
    fileprivate var swapped: AllocationChoice {
        AllocationChoice(cost: secondCost, secondCost: cost, damage: damage)
    }
}
