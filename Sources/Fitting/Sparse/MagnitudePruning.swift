import Tensors

/// Keeps the largest weights as they are, whatever their inputs: the exact minimum of the Frobenius error.
public struct MagnitudePruning: PruningMethod {
    public static let name = "magnitude"
    public static let summary = "the largest weights"
    public static let source = "textbook"
    public static let objectives: [Objective.Kind] = [.frobenius]

    public init() {}

    /// One sort of every pool.
    public func prune(
        _ weight: Matrix, objective: Objective, pattern: SparsityPattern, context: FitContext
    ) throws -> PrunedWeight {
        let importance = [Double](repeating: 1, count: weight.columns)
        return PrunedWeight(keeping: WeightMask(best: weight, importance: importance, pattern: pattern), of: weight)
    }
}
