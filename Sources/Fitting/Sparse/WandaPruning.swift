import Tensors

/// Keeps the weights with the largest |w| times the size of their input, as they are (Sun et al. 2023, arXiv 2306.11695):
/// the exact minimum of the activation error where inputs do not correlate. Under `.frobenius` the largest weights.
public struct WandaPruning: PruningMethod {
    public static let name = "wanda"
    public static let summary = "the largest weights, weighted by the size of their inputs"
    public static let source = "Wanda, arXiv 2306.11695"
    public static let objectives: [Objective.Kind] = [.frobenius, .activations]

    public init() {}

    /// One sort of every pool.
    public func prune(
        _ weight: Matrix, objective: Objective, pattern: SparsityPattern, context: FitContext
    ) throws -> PrunedWeight {
        let importance = objective.gram?.diagonal ?? [Double](repeating: 1, count: weight.columns)
        return PrunedWeight(keeping: WeightMask(best: weight, importance: importance, pattern: pattern), of: weight)
    }
}
