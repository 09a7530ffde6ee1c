import Fitting
import ModelFiles
import StructuredMatrices
import Transformers

extension CompressionJob {
    /// A budget over the selected matrices, and what 100 % is.
    func size(
        of budget: Budget, _ selected: [MatrixSite], _ checkpoint: Checkpoint, _ unused: UnusedMatrices
    ) -> BudgetSize {
        func share(_ whole: Int) -> BudgetSize {
            BudgetSize(budget: budget, limit: Int(budget.fraction * Double(whole)), whole: whole)
        }
        switch (budget.quantity, recipe.selection.scope) {
        case (.latency, _):
            return BudgetSize(budget: budget, limit: 0, whole: 0)
        case (.multiplyAdds, _):
            return share(selected.filter { $0.isMultiplied }.reduce(0) { $0 + $1.shape.count })
        case (.bytes, let scope) where scope == .linear || !recipe.selection.only.isEmpty:
            return share(2 * selected.reduce(0) { $0 + $1.shape.count })
        case (.bytes, _):
            // The whole file counts: what stays (norms, biases, tables left) and the header come off the
            // budget first.
            var (numbers, untouched) = (0, -selected.reduce(0) { $0 + checkpoint.byteCount(of: $1) })
            for name in checkpoint.tensorNames {
                guard let entry = checkpoint.entry(named: name) else { continue }
                if entry.elementType.isFloatingPoint {
                    numbers += entry.byteCount / entry.elementType.byteCount
                }
                untouched += unused.byteCount(of: entry)
            }
            let header = 200 * (checkpoint.tensorNames.count + 3 * selected.count)
            let whole = 2 * numbers
            let limit = max(0, Int(budget.fraction * Double(whole)) - untouched - header)
            return BudgetSize(budget: budget, limit: limit, whole: whole)
        }
    }

    func prices(_ forecast: Forecast, _ latency: LatencyPrediction?) -> CandidatePrices {
        CandidatePrices(
            budgets: recipe.budgets, limits: forecast.budgets.map { $0.limit }, selected: forecast.selected,
            latency: latency)
    }

    /// Refuses what no allocation can meet before any work is done or journaled.
    /// - Throws: `CompressionError`.
    func check(_ prices: CandidatePrices, _ model: any TransformerModel) throws {
        try recipe.checkAllocators()
        try prices.check(recipe.sources(for: model), recipe: recipe)
    }
}
