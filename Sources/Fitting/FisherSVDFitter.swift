import StructuredMatrices
import Tensors

/// Low-rank by the SVD of the weight with its rows and columns scaled by the roots of their summed Fisher
/// information: exact for diagonal weights of either side or both. Activations are not looked at; without
/// Fisher weights it is the plain SVD.
public struct FisherSVDFitter: Fitter {
    public static let method = FittingMethod(
        name: "fisher-svd", family: LowRank.family, objectives: [.frobenius, .fisher],
        summary: "singular value decomposition of the weight scaled by the Fisher information of rows and columns",
        source: "FWSVD, arXiv 2207.00112")

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
        let factorisation = try LowRankFactorisation(
            weight, objective: try objective.reduced(to: Self.method.objectives), context: context)
        return try Fit(
            measuring: factorisation.matrix(rank: rank, precision: context.precision), for: weight,
            objective: objective, context: context)
    }
}
