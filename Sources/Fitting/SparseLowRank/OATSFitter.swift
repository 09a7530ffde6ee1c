import StructuredMatrices
import Tensors

/// Low-rank + sparse of the weight scaled by the sizes of its inputs, as many entries in every row; then exact refits of
/// both under the objective, which the paper does not make.
public struct OATSFitter: Fitter {
    public static let method = FittingMethod(
        name: "oats", family: MatrixSum.family, objectives: [.frobenius, .activations],
        summary: "low-rank + sparse of the weight scaled by the sizes of its inputs", source: "OATS, arXiv 2409.13652")

    /// Of the low-rank part; nil takes `share` of the budget (the paper's kappa).
    public var rank: Int?
    public var share: Double
    public var pattern: SparseForm
    /// At most; the paper takes 80 full decompositions.
    public var sweeps: Int
    /// Exact sweeps at the end, with the places fixed; 0 is the paper's method but for the values of the sparse part.
    public var refits: Int
    /// Steps of conjugate gradients that end the fit; each costs rows columns^2 multiply-adds, and most of the time goes there.
    public var lastIterations: Int

    public init(
        rank: Int? = nil, share: Double = 0.3, pattern: SparseForm = .rows, sweeps: Int = 80, refits: Int = 10,
        lastIterations: Int = 100
    ) {
        self.rank = rank
        self.share = share
        self.pattern = pattern
        self.sweeps = sweeps
        self.refits = refits
        self.lastIterations = lastIterations
    }

    /// Cost of a sweep: one sort of every row and 4 rows columns rank multiply-adds.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixSum> {
        let problem = try SparseLowRankProblem(
            weight, objective: objective, size: size, pattern: pattern, rank: rank, share: share, fitter: Self.method.name,
            context: context)
        let found = try problem.alternated(sweeps: sweeps, metric: .diagonal)
        return try problem.finished(
            lowRank: found.lowRank, mask: found.mask, subspace: found.subspace, sweeps: refits,
            lastIterations: lastIterations, trace: found.trace)
    }
}
