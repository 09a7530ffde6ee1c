/// The relative error of every matrix's output counts alike: sum over matrices of
/// tr((W - V) G (W - V)^T) / tr(W G W^T).
struct RelativeErrorStrategy: DamageStrategy {
    let name = "relative-error"
    let summary = "every matrix's relative error counts alike"
    let source = "the multiple-choice knapsack with normalised errors"
    let isDefault = true

    func damages(_ problem: AllocationProblem) -> [[Double]]? { problem.relativeErrors }
}
