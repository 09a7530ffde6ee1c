import LinearAlgebra
import StructuredMatrices
import Tensors

/// All the best low-rank fits of one matrix, from one decomposition.
///
/// With D^1/2 W L = P S Q^T, G = L L^T (D = I without weights of rows, L = I without a Gram matrix), the best
/// rank-r matrix under the objective is D^-1/2 P_r P_r^T D^1/2 W: the whitened SVD's P_r S_r Q_r^T L^-1 with L^-1 cancelled, so that nothing is ever divided by a
/// small eigenvalue of G. Its squared error is the sum of the discarded squared singular values (Eckart and
/// Young 1936; SVD-LLM, arXiv 2403.07378).
public struct LowRankFactorisation: Sendable {
    /// Singular values of W L, descending: min(rows, columns) of them, or as many as were asked for.
    public let singularValues: [Double]
    /// rows x k: D^-1/2 P, orthonormal columns without weights of rows.
    let left: DoubleMatrix
    /// k x columns, P^T D^1/2 W.
    let right: DoubleMatrix
    private let rowScale: [Double]?
    /// tr(W G W^T).
    public let squaredNorm: Double
    public let shape: MatrixShape

    /// A `Double` SVD of W L on the calling thread: about 0.3 s for 384 x 1536.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public init(_ weight: Matrix, objective: Objective, context: FitContext = FitContext()) throws {
        try context.check(weight, objective)
        // Converted anew afterwards: the decomposition needs the memory.
        let (left, values) = try Self.decomposed(weight, objective)
        self.init(weight.converted(to: Double.self), objective, left: left, values: values)
    }

    /// The leading `rank` triples by randomized SVD of W L (Halko, Martinsson, Tropp, arXiv 0909.4061).
    /// - Throws: as above.
    public init(
        _ weight: Matrix, objective: Objective, rank: Int, sketch: RandomizedSVD,
        context: FitContext = FitContext()
    ) throws {
        try context.check(weight, objective)
        var generator = context.generator(for: "randomized-svd")
        let weight = weight.converted(to: Double.self)
        let svd = try sketch(Self.whitened(weight, objective), rank: rank, using: &generator)
        self.init(weight, objective, left: svd.u, values: svd.values)
    }

    private static func decomposed(
        _ weight: Matrix, _ objective: Objective
    ) throws -> (left: DoubleMatrix, values: [Double]) {
        let svd = try SingularValues(whitened(weight.converted(to: Double.self), objective))
        return (svd.u, svd.values)
    }

    private init(_ weight: DoubleMatrix, _ objective: Objective, left: DoubleMatrix, values: [Double]) {
        singularValues = values
        squaredNorm = objective.squaredNorm(of: weight)
        objective.gram?.release()
        rowScale = objective.rowWeights?.map { $0.squareRoot() }
        var scaled = weight
        scaled.scaleRows(by: rowScale)
        right = left.multiplied(by: scaled, transposeSelf: true)
        var unscaled = left
        unscaled.scaleRows(by: rowScale?.map { $0 > 0 ? 1 / $0 : 0 })
        self.left = unscaled
        shape = MatrixShape(rows: weight.rows, columns: weight.columns)
    }

    /// D^1/2 W L.
    static func whitened(_ weight: DoubleMatrix, _ objective: Objective) throws -> DoubleMatrix {
        var whitened = weight
        whitened.scaleRows(by: objective.rowWeights?.map { $0.squareRoot() })
        guard let gram = objective.gram else { return whitened }
        return whitened.multiplied(by: try gram.root().factor)
    }

    /// Ranks that can be asked for.
    public var maximumRank: Int { singularValues.count }

    /// The relative squared error of the rank-r fit in exact arithmetic, without forming it.
    public func relativeError(rank: Int) -> Double {
        guard squaredNorm > 0 else { return 0 }
        if singularValues.count == min(shape.rows, shape.columns) {
            return min(1, singularValues.dropFirst(max(0, rank)).reduce(0) { $0 + $1 * $1 } / squaredNorm)
        }
        let kept = singularValues.prefix(max(0, rank)).reduce(0) { $0 + $1 * $1 }
        return max(0, 1 - kept / squaredNorm)
    }

    /// The relative squared errors of the fits of the given ranks under another objective, say that of held-out inputs,
    /// without forming them: with the fit P P^T W, tr((W - P P^T W) H (W - P P^T W)^T) = tr A - sum p_i^T A p_i, A = W H W^T.
    /// - Throws: `FittingError.gramMismatch`.
    public func relativeErrors(ranks: [Int], of weight: Matrix, under objective: Objective) throws -> [Double] {
        try objective.check(shape, name: "matrix")
        // The identity above is for one weighting of rows, that of the fit: then D^1/2 W stands for W.
        if rowScale != objective.rowWeights?.map({ $0.squareRoot() }) {
            return try ranks.map {
                let (u, v) = balancedFactors(rank: $0)
                let fit = u.multiplied(by: v).converted(to: Float.self)
                return try objective.error(of: fit, for: weight)
            }
        }
        let wide = weight.converted(to: Double.self)
        var weighted = objective.gram.map { wide.multiplied(by: $0.matrix) } ?? wide
        objective.gram?.release()
        // `left` is D^-1/2 P, so that its transpose times D W H is P^T D^1/2 W H.
        weighted.scaleRows(by: objective.rowWeights)
        let total = max(0, weighted.innerProduct(wide))
        guard total > 0 else { return ranks.map { _ in 0 } }
        // Row i of `right` is p_i^T D^1/2 W, row i of P^T D^1/2 W H is p_i^T D^1/2 W H.
        let projected = left.multiplied(by: weighted, transposeSelf: true)
        var captured = [0.0]
        for component in 0..<projected.rows {
            let gain = zip(projected.row(component), right.row(component)).reduce(0) { $0 + $1.0 * $1.1 }
            captured.append((captured.last ?? 0) + gain)
        }
        return ranks.map { max(0, 1 - captured[max(0, min($0, maximumRank))] / total) }
    }

    /// The best rank-r matrix (r cut to 1...`maximumRank`), each component's norm split evenly between U and
    /// V, which is kind to half precision.
    public func matrix(rank: Int, precision: Precision = .f32) -> LowRank {
        let (u, v) = balancedFactors(rank: rank)
        return LowRank(u: u.converted(to: Float.self), v: v.converted(to: Float.self), precision: precision)
    }

    /// U (rows x r) and V (r x columns) in `Double`.
    package func balancedFactors(rank: Int) -> (u: DoubleMatrix, v: DoubleMatrix) {
        let rank = max(1, min(rank, maximumRank))
        var u = left.block(rows: 0..<left.rows, columns: 0..<rank)
        var v = right.block(rows: 0..<rank, columns: 0..<right.columns)
        for component in 0..<rank {
            var norm = 0.0
            for column in 0..<v.columns { norm += v[component, column] * v[component, column] }
            var leftNorm = 1.0
            if rowScale != nil {
                leftNorm = 0
                for row in 0..<u.rows { leftNorm += u[row, component] * u[row, component] }
            }
            // The fourth root: U's column takes half of the ratio of the norms.
            let scale = (norm / leftNorm).squareRoot().squareRoot()
            guard scale > 0, scale.isFinite else { continue }
            for row in 0..<u.rows { u[row, component] *= scale }
            for column in 0..<v.columns { v[component, column] /= scale }
        }
        return (u, v)
    }

    /// The largest rank within the budget.
    /// - Throws: `FittingError.budgetBelowMinimum`.
    public static func rank(
        within size: SizeBudget, shape: MatrixShape, precision: Precision, matrix: String = "matrix"
    ) throws -> Int {
        try size.largest(
            in: 1...max(1, min(shape.rows, shape.columns)), family: LowRank.family, shape: shape,
            matrix: matrix
        ) { .factors($0 * (shape.rows + shape.columns), precision: precision) }
    }
}
