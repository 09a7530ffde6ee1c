import LinearAlgebra
import StructuredMatrices
import Tensors

/// Low-rank by the principal components of the layer's outputs: with C = W G W^T and P its leading eigenvectors, What =
/// P P^T W (Atomic Feature Mimicking). The same matrix as the whitened SVD by another way, which needs no root of G: for
/// fewer rows than columns it is quicker, and it resolves singular values down to 1e-7 of the largest only.
///
/// With the inputs' mean, C is the outputs' covariance and the mean moves into the layer's bias (`biasChange`): the best
/// affine map of this rank, never worse than the best linear one.
public struct FeatureMimickingFitter: Fitter {
    public static let method = FittingMethod(
        name: "output-pca", family: LowRank.family, objectives: Objective.Kind.allCases,
        summary: "principal components of the layer's outputs",
        source: "Atomic Feature Mimicking, arXiv 2405.18146")

    /// Mean of every input over the calibration text; nil fits without a bias.
    public var mean: [Double]?

    public init(mean: [Double]? = nil) { self.mean = mean }

    /// Cost: rows columns (rows + columns) multiply-adds and an eigendecomposition of rows x rows. The error is that of the
    /// linear map, under `objective`; with a mean judge by the centred moments, which are what the bias leaves.
    /// - Throws: `FittingError` (`.invalidOption` when the mean is not of as many inputs), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<LowRank> {
        try context.check(weight, objective)
        if let mean, mean.count != weight.columns {
            throw Self.invalid("mean", "\(weight.columns) numbers", mean.count)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let rank = try LowRankFactorisation.rank(
            within: size, shape: shape, precision: context.precision, matrix: context.name)
        // D^1/2 W: with weights of rows the outputs count by them.
        let scale = objective.rowWeights?.map { $0.squareRoot() }
        var wide = weight.converted(to: Double.self)
        wide.scaleRows(by: scale)
        var products = wide
        if let gram = objective.gram { products = products.multiplied(by: centred(gram.matrix)) }
        let covariance = products.multiplied(by: wide, transposeOther: true)
        let vectors = try SymmetricEigen(covariance).vectors
        // Eigenvalues ascend.
        let leading = DoubleMatrix(rows: rank, columns: shape.rows) { vectors[shape.rows - 1 - $0, $1] }
        var u = leading.transposed()
        u.scaleRows(by: scale?.map { $0 > 0 ? 1 / $0 : 0 })
        let v = leading.multiplied(by: wide)
        let matrix = LowRank(
            u: u.converted(to: Float.self), v: v.converted(to: Float.self), precision: context.precision)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    /// G - mean mean^T.
    private func centred(_ moments: DoubleMatrix) -> DoubleMatrix {
        guard let mean else { return moments }
        var result = moments
        for row in mean.indices {
            for column in mean.indices { result[row, column] -= mean[row] * mean[column] }
        }
        return result
    }

    /// What the layer's bias changes by, (W - What) mean, so that the mean output stays; zero without a mean.
    public func biasChange(of matrix: LowRank, for weight: Matrix) -> [Float] {
        guard let mean else { return [Float](repeating: 0, count: weight.rows) }
        let difference = weight - matrix.dense()
        return (0..<weight.rows).map { row in
            Float(zip(difference.row(row), mean).reduce(0) { $0 + Double($1.0) * $1.1 })
        }
    }
}
