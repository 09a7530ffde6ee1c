/// Shares of a budget by a rule with one free number: as large as the budgets allow, it says how much of its dense cost every
/// matrix may keep.
package struct ShareAllocation: Sendable {
    /// For each matrix the share it may keep, in no case less when the number, from 0 to 1, grows.
    private let shares: @Sendable (Double) -> [Double]

    package init(_ shares: @escaping @Sendable (Double) -> [Double]) { self.shares = shares }

    /// Shares in fixed proportions.
    /// - Precondition: the proportions are positive.
    package init(proportions: [Double]) {
        let least = proportions.min() ?? 1
        self.init { number in proportions.map { number * $0 / least } }
    }

    /// Of each matrix the candidate with the least damage among those within its share, and where there is none the
    /// cheapest; nil where even the cheapest exceed a budget.
    ///
    /// Candidates that a cheaper one beats are left out, so that a growing share never makes a matrix cheaper, and bisection
    /// finds the largest number that keeps the budgets. Cost: some fifty passes over the table.
    package func choices(_ table: [[AllocationChoice]], _ limits: [AllocationLimit]) -> [Int]? {
        let fronts = table.map { choices in
            var front: [Int] = []
            for index in choices.indices.sorted(by: { Self.order(choices[$0], $0) < Self.order(choices[$1], $1) }) {
                if let last = front.last, choices[index].damage >= choices[last].damage { continue }
                front.append(index)
            }
            return front
        }
        let dense = table.map { Double($0.map(\.cost).max() ?? 0) }
        func pick(_ number: Double) -> [Int] {
            let shares = shares(number)
            return table.indices.map { matrix in
                let within = fronts[matrix].last { Double(table[matrix][$0].cost) <= shares[matrix] * dense[matrix] }
                return within ?? fronts[matrix].first ?? 0
            }
        }
        func isWithin(_ choices: [Int]) -> Bool {
            let first = zip(choices, table).reduce(0) { $0 + $1.1[$1.0].cost }
            let second = zip(choices, table).reduce(0) { $0 + $1.1[$1.0].secondCost }
            return zip([first, second], limits).allSatisfy { $0 <= $1.amount }
        }
        if isWithin(pick(1)) { return pick(1) }
        guard isWithin(pick(0)) else { return nil }
        var (low, high) = (0.0, 1.0)
        for _ in 0..<52 {
            let middle = (low + high) / 2
            if isWithin(pick(middle)) { low = middle } else { high = middle }
        }
        return pick(low)
    }

    private static func order(_ choice: AllocationChoice, _ index: Int) -> (Int, Double, Int) {
        (choice.cost, choice.damage, index)
    }
}
