import StructuredMatrices
import Tensors

// What the fitters of the sparse families share.

extension FittingMethod {
    /// A pruning method in one family.
    init(_ method: any PruningMethod.Type, prefix: String, family: Family) {
        self.init(
            name: "\(prefix)-\(method.name)", family: family, objectives: method.objectives, summary: method.summary,
            source: method.source)
    }
}

extension Fit {
    /// Measures the stored values; the trace is that of the pruning method.
    init(
        _ pruned: PrunedWeight, _ matrix: Fitted, for weight: Matrix, objective: Objective, context: FitContext
    ) throws {
        let trace = pruned.trace
        try self.init(
            measuring: matrix, for: weight, objective: objective, context: context, trace: trace.isEmpty ? nil : trace)
    }
}
