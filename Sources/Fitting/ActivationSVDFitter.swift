import StructuredMatrices
import Tensors

/// The best low-rank matrix under the objective: the whitened SVD under activations, the plain one under
/// Frobenius.
///
/// To compare many ranks of one matrix, make one `LowRankFactorisation` and ask it.
public struct ActivationSVDFitter: Fitter {
    public static let method = FittingMethod(
        name: "activation-svd", family: LowRank.family, objectives: Objective.Kind.allCases,
        summary: "singular value decomposition of the weight times a square root of its inputs' Gram matrix",
        source: "SVD-LLM, arXiv 2403.07378")

    public init() {}

    /// Cost: one `Double` SVD of W L.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<LowRank> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let rank = try LowRankFactorisation.rank(
            within: size, shape: shape, precision: context.precision, matrix: context.name)
        let factorisation = try LowRankFactorisation(weight, objective: objective, context: context)
        return try Fit(
            measuring: factorisation.matrix(rank: rank, precision: context.precision), for: weight,
            objective: objective, context: context)
    }
}
