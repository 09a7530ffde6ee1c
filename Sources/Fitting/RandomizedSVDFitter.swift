import LinearAlgebra
import StructuredMatrices
import Tensors

/// Low-rank fits by a seeded sketch, for matrices too large for an exact SVD: whitened under activations.
public struct RandomizedSVDFitter: Fitter {
    public static let method = FittingMethod(
        name: "randomized-svd", family: LowRank.family, objectives: Objective.Kind.allCases,
        summary: "randomized singular value decomposition, for large matrices",
        source: "Halko, Martinsson and Tropp, arXiv 0909.4061")

    public var sketch: RandomizedSVD

    public init(oversampling: Int = 10, powerIterations: Int = 2) {
        sketch = RandomizedSVD(oversampling: oversampling, powerIterations: powerIterations)
    }

    /// Cost: about 2 (2q + 2) rows columns (r + p) operations.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<LowRank> {
        try context.check(weight, objective)
        if let rowWeights = objective.rowWeights {
            return try fitScalingRows(weight, rowWeights, objective: objective, size: size, context: context)
        }
        for (option, value) in [
            ("oversampling", sketch.oversampling), ("power iterations", sketch.powerIterations),
        ]
        where value < 0 {
            throw Self.invalid(option, "0 or more", value)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let rank = try LowRankFactorisation.rank(
            within: size, shape: shape, precision: context.precision, matrix: context.name)
        let factorisation = try LowRankFactorisation(
            weight, objective: objective, rank: rank, sketch: sketch, context: context)
        return try Fit(
            measuring: factorisation.matrix(rank: rank, precision: context.precision), for: weight,
            objective: objective, context: context)
    }
}
