import LinearAlgebra
import StructuredMatrices
import Tensors

/// The whitened SVD with L = Q sqrt(Lambda) from the eigendecomposition of the Gram matrix in place of its Cholesky factor:
/// slower, and at home where G is nearly singular (SVD-LLM V2).
///
/// The fit is the same matrix; `ActivationSVDFitter` falls back to this path by itself where Cholesky fails.
public struct ActivationEigenFitter: Fitter {
    public static let method = FittingMethod(
        name: "activation-eigen-svd", family: LowRank.family, objectives: Objective.Kind.allCases,
        summary: "the whitened decomposition with the Gram matrix's root from its eigenvalues",
        source: "SVD-LLM V2, arXiv 2503.12340")

    public init() {}

    /// Cost: an eigendecomposition of G and one `Double` SVD of W L.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<LowRank> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let rank = try LowRankFactorisation.rank(
            within: size, shape: shape, precision: context.precision, matrix: context.name)
        let scale = objective.rowWeights?.map { $0.squareRoot() }
        var wide = weight.converted(to: Double.self)
        wide.scaleRows(by: scale)
        var whitened = wide
        if let gram = objective.gram {
            let eigen = try SymmetricEigen(gram.matrix)
            let root = DoubleMatrix(rows: gram.size, columns: gram.size) {
                eigen.vectors[$1, $0] * max(0, eigen.values[$1]).squareRoot()
            }
            whitened = wide.multiplied(by: root)
        }
        let left = try SingularValues(whitened).truncated(to: rank).u
        let v = left.multiplied(by: wide, transposeSelf: true)
        var u = left
        u.scaleRows(by: scale?.map { $0 > 0 ? 1 / $0 : 0 })
        let matrix = LowRank(
            u: u.converted(to: Float.self), v: v.converted(to: Float.self), precision: context.precision)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }
}
