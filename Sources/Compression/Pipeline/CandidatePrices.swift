import StructuredMatrices
import Transformers

/// What candidates cost under the budgets of a recipe, in the allocator's integers.
struct CandidatePrices: Sendable {
    /// For every budget, in order, what may be spent on the selected matrices; a latency's follows from
    /// `latency`.
    private let limits: [Int]
    let budgets: [Budget]
    let selected: [MatrixSite]
    /// Nil where latency is no budget.
    var latency: LatencyPrediction?

    /// - Parameter limits: of the budgets in bytes and multiply-adds; what stands for a latency is ignored.
    init(budgets: [Budget], limits: [Int], selected: [MatrixSite], latency: LatencyPrediction?) {
        self.budgets = budgets
        self.limits = limits
        self.selected = selected
        self.latency = latency
    }

    /// One or two, in the order of the budgets.
    var allocationLimits: [AllocationLimit] {
        zip(budgets, limits).map { budget, limit in
            let amount =
                budget.quantity == .latency
                ? latency?.limit(budget.fraction, selected: selected) ?? 0 : limit
            return AllocationLimit(amount, budget.quantity.unit)
        }
    }

    func price(_ candidate: Candidate, _ cost: Cost, of site: MatrixSite, under quantity: Budget.Quantity)
        -> Int
    {
        switch quantity {
        case .bytes: cost.amount(of: .bytes)
        case .multiplyAdds: site.isMultiplied ? cost.amount(of: .multiplyAdds) : 0
        case .latency: latency?.price(candidate, of: site) ?? 0
        }
    }

    /// Under the first budget: what candidates are ordered by.
    func price(_ candidate: Candidate, _ cost: Cost, of site: MatrixSite) -> Int {
        price(candidate, cost, of: site, under: budgets[0].quantity)
    }

    /// Whether a candidate may be chosen at all.
    func allows(_ candidate: Candidate, of site: MatrixSite) -> Bool {
        latency?.pays(candidate, of: site) ?? true
    }

    func choice(_ candidate: Candidate, _ cost: Cost, of site: MatrixSite, damage: Double) -> AllocationChoice
    {
        AllocationChoice(
            cost: price(candidate, cost, of: site),
            secondCost: budgets.count > 1 ? price(candidate, cost, of: site, under: budgets[1].quantity) : 0,
            damage: damage)
    }

    func allocate(_ table: [[AllocationChoice]]) throws -> Allocation {
        let limits = allocationLimits
        return try Allocator().solve(table, limit: limits[0], second: limits.count > 1 ? limits[1] : nil)
    }

    /// Refuses budgets that no choice among the sources' candidates meets.
    /// - Throws: `CompressionError.budgetTooSmall`, `.budgetsTooSmallTogether`, `.latencyUnreachable`.
    func check(_ sources: [any CandidateSource], recipe: Recipe) throws {
        let table = selected.map { site in
            sources.flatMap { source in
                source.candidates(for: site, quantity: budgets[0].quantity, precision: recipe.precision)
                    .filter { allows($0, of: site) }
                    .map { candidate in
                        let cost = source.cost(of: candidate, shape: site.shape, precision: recipe.precision)
                        return choice(candidate, cost, of: site, damage: 0)
                    }
            }
        }
        if let latency, let budget = recipe.latencyBudget {
            let smallest = table.reduce(0) { sum, choices in
                sum + (choices.map { budgets[0] == budget ? $0.cost : $0.secondCost }.min() ?? 0)
            }
            let fixed = latency.fixed(besides: selected)
            guard smallest <= latency.limit(budget.fraction, selected: selected) else {
                throw CompressionError.latencyUnreachable(
                    target: budget.fraction, reachable: (fixed + Double(smallest)) / latency.dense,
                    fixed: fixed / latency.dense, dense: latency.denseText)
            }
        }
        _ = try allocate(table)
    }
}
