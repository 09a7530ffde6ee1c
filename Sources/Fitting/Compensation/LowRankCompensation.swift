import StructuredMatrices
import Tensors

/// Adds to any fitted matrix the low-rank correction that lowers its error most (EoRA, arXiv 2410.21271).
///
/// EoRA projects the residual on the eigenvectors of the inputs' second moments, scaled by the roots of the eigenvalues,
/// and truncates its singular value decomposition there: the whitened decomposition of the residual, which is how it is
/// computed here, with no division by a small eigenvalue.
public struct LowRankCompensation: Sendable {
    public init() {}

    /// The fitted matrix plus the best correction within `size`, which is the correction's alone. Never worse than before:
    /// where rounding to the stored precision spoils the correction, it is zero.
    ///
    /// Cost: one `Double` SVD of the whitened residual.
    /// - Throws: `FittingError` (`budgetBelowMinimum` when not even rank 1 fits), `LinearAlgebraError`.
    public func compensate(
        _ base: any StructuredMatrix, toward weight: Matrix, objective: Objective, size: SizeBudget,
        context: FitContext = FitContext()
    ) throws -> Fit<MatrixSum> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        guard base.shape == shape else {
            throw FittingError.shapeMismatch(matrix: context.name, expected: shape, got: base.shape)
        }
        let rank = try LowRankFactorisation.rank(
            within: size, shape: shape, precision: context.precision, matrix: context.name)
        return try compensate(base, toward: weight, objective: objective, rank: rank, context: context)
    }

    /// The same with a given rank, cut to what the shape allows.
    func compensate(
        _ base: any StructuredMatrix, toward weight: Matrix, objective: Objective, rank: Int, context: FitContext
    ) throws -> Fit<MatrixSum> {
        let dense = base.dense()
        let before = try objective.error(of: dense, for: weight, name: context.name)
        let correction = try LowRankFactorisation(weight - dense, objective: objective, context: context)
            .matrix(rank: rank, precision: context.precision)
        let fit = try Fit(
            measuring: MatrixSum(Self.terms(base) + [correction]), for: weight, objective: objective, context: context)
        guard !(fit.relativeError <= before) else {
            return Fit(matrix: fit.matrix, relativeError: fit.relativeError, trace: [before, fit.relativeError])
        }
        let none = LowRank(
            u: Factor(correction.u.values.map { _ in 0 }, shape: correction.u.shape, precision: context.precision),
            v: Factor(correction.v.values.map { _ in 0 }, shape: correction.v.shape, precision: context.precision))
        return try Fit(
            measuring: MatrixSum(Self.terms(base) + [none]), for: weight, objective: objective, context: context)
    }

    /// A sum takes one term more rather than being nested.
    private static func terms(_ base: any StructuredMatrix) -> [any StructuredMatrix] {
        (base as? MatrixSum)?.parts ?? [base]
    }
}
