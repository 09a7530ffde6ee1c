import StructuredMatrices
import Tensors

/// The best low-rank matrix in the Frobenius norm, whatever the objective it is judged by: the baseline.
public struct TruncatedSVDFitter: Fitter {
    public static let method = FittingMethod(
        name: "svd", family: LowRank.family, objectives: [.frobenius],
        summary: "truncated singular value decomposition, exact", source: "Eckart and Young 1936")

    public init() {}

    /// Cost: one `Double` SVD. The error is reported under `objective`.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<LowRank> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let rank = try LowRankFactorisation.rank(
            within: size, shape: shape, precision: context.precision, matrix: context.name)
        let factorisation = try LowRankFactorisation(weight, objective: .frobenius, context: context)
        return try Fit(
            measuring: factorisation.matrix(rank: rank, precision: context.precision), for: weight,
            objective: objective, context: context)
    }
}
