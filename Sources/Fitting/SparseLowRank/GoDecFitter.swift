import StructuredMatrices
import Tensors

/// Low-rank + sparse by alternating projections: the best rank-r matrix beside the sparse part, the best places beside the
/// low-rank one; then exact refits of both under the objective.
public struct GoDecFitter: Fitter {
    public static let method = FittingMethod(
        name: "godec", family: MatrixSum.family, objectives: [.frobenius, .activations],
        summary: "low-rank + sparse, truncating the one and thresholding the other in turn", source: "GoDec, ICML 2011")

    /// Of the low-rank part; nil takes `share` of the budget.
    public var rank: Int?
    public var share: Double
    public var pattern: SparseForm
    public var sweeps: Int
    /// Exact sweeps at the end, with the places fixed.
    public var refits: Int

    public init(
        rank: Int? = nil, share: Double = 0.2, pattern: SparseForm = .anywhere, sweeps: Int = 30, refits: Int = 10
    ) {
        self.rank = rank
        self.share = share
        self.pattern = pattern
        self.sweeps = sweeps
        self.refits = refits
    }

    /// Cost of a sweep: one sort of all weights, and some 10 rows columns^2 multiply-adds under `.activations`.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixSum> {
        let problem = try SparseLowRankProblem(
            weight, objective: objective, size: size, pattern: pattern, rank: rank, share: share, fitter: Self.method.name,
            context: context)
        let found = try problem.alternated(sweeps: sweeps, metric: .whole)
        return try problem.finished(
            lowRank: found.lowRank, mask: found.mask, subspace: found.subspace, sweeps: refits, trace: found.trace)
    }
}
