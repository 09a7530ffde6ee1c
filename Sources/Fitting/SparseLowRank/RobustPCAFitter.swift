import LinearAlgebra
import StructuredMatrices
import Tensors

/// Low-rank + sparse by robust principal component analysis: the convex programme min ||L||_* + lambda ||S||_1 with
/// L + S = W, by the inexact augmented Lagrangian method. It decides where the outliers are and how many components carry
/// the rest; the budget then cuts both, and they are refitted under the objective.
public struct RobustPCAFitter: Fitter {
    public static let method = FittingMethod(
        name: "robust-pca", family: MatrixSum.family, objectives: [.frobenius, .activations],
        summary: "low-rank + sparse by nuclear norm and absolute sum, then cut to size", source: "arXiv 0912.3599")

    /// Of the low-rank part; nil takes what the programme finds, within `share` of the budget.
    public var rank: Int?
    public var share: Double
    public var iterations: Int
    /// Exact sweeps at the end, with the places fixed.
    public var refits: Int

    public init(rank: Int? = nil, share: Double = 0.5, iterations: Int = 60, refits: Int = 10) {
        self.rank = rank
        self.share = share
        self.iterations = iterations
        self.refits = refits
    }

    /// Cost of an iteration: the eigenvectors of a matrix of the smaller side.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixSum> {
        func problem(rank: Int?) throws -> SparseLowRankProblem {
            try SparseLowRankProblem(
                weight, objective: objective, size: size, pattern: .anywhere, rank: rank, share: share,
                fitter: Self.method.name, context: context)
        }
        let first = try problem(rank: rank)
        // Inputs of different sizes are taken as uncorrelated; the refits at the end know better.
        let scales = objective.gram?.diagonal.map { $0 > 0 ? $0.squareRoot() : 1 }
        let scaled = DoubleMatrix(rows: weight.rows, columns: weight.columns) {
            Double(weight[$0, $1]) * (scales?[$1] ?? 1)
        }
        let parts = try separated(scaled, context)
        let cut = rank == nil ? try problem(rank: max(1, min(first.rank, parts.rank))) : first
        let lowRank = DoubleMatrix(rows: weight.rows, columns: weight.columns) {
            parts.lowRank[$0, $1] / (scales?[$1] ?? 1)
        }
        let subspace = try Subspace(of: cut.whitened(lowRank), rank: cut.rank)
        // Outliers first; where there are fewer than entries, the largest of what is left over.
        let residual = cut.wide - subspace.projection(of: lowRank)
        let leftover = cut.scores(residual)
        let largest = leftover.elements.max() ?? 0
        let scores = DoubleMatrix(
            rows: weight.rows, columns: weight.columns,
            elements: zip(parts.sparse.elements, leftover.elements).map { $0 * $0 > 0 ? largest + $0 * $0 : $1 })
        return try cut.finished(
            lowRank: subspace.projection(of: lowRank), mask: SparseForm.anywhere.places(scores, entries: cut.entries),
            subspace: subspace, sweeps: refits, trace: [])
    }

    /// L, its rank, and S with L + S = W up to 1e-7 of W or the last iteration.
    func separated(
        _ w: DoubleMatrix, _ context: FitContext
    ) throws -> (lowRank: DoubleMatrix, rank: Int, sparse: DoubleMatrix) {
        let zero = DoubleMatrix(rows: w.rows, columns: w.columns)
        let norm = w.squaredNorm.squareRoot()
        let spectral = try SymmetricEigen(Self.smallerGramian(w)).values.last.map { max(0, $0).squareRoot() } ?? 0
        guard norm > 0, spectral > 0 else { return (zero, 0, zero) }
        let lambda = 1 / Double(max(w.rows, w.columns)).squareRoot()
        let largest = w.elements.reduce(0) { max($0, abs($1)) }
        let dual = max(spectral, largest / lambda)
        var multiplier = DoubleMatrix(rows: w.rows, columns: w.columns, elements: w.elements.map { $0 / dual })
        var (lowRank, sparse, rank) = (zero, zero, 0)
        var penalty = 1.25 / spectral
        let largestPenalty = penalty * 1e7
        for iteration in 0..<iterations {
            try context.checkCancellation()
            let target = DoubleMatrix(
                rows: w.rows, columns: w.columns,
                elements: w.elements.indices.map { w.elements[$0] - sparse.elements[$0] + multiplier.elements[$0] / penalty })
            (lowRank, rank) = try Self.shrunk(target, by: 1 / penalty)
            let threshold = lambda / penalty
            var left = 0.0
            for index in w.elements.indices {
                let value = w.elements[index] - lowRank.elements[index] + multiplier.elements[index] / penalty
                sparse.elements[index] = value > threshold ? value - threshold : value < -threshold ? value + threshold : 0
                let difference = w.elements[index] - lowRank.elements[index] - sparse.elements[index]
                multiplier.elements[index] += penalty * difference
                left += difference * difference
            }
            penalty = min(1.5 * penalty, largestPenalty)
            context.progress(
                FitProgress(sweep: iteration + 1, limit: iterations, relativeError: left / (norm * norm)))
            if left.squareRoot() < 1e-7 * norm { break }
        }
        return (lowRank, rank, sparse)
    }

    /// A^T A or A A^T, whichever is smaller.
    private static func smallerGramian(_ a: DoubleMatrix) -> DoubleMatrix {
        a.rows < a.columns ? a.transposed().gramian() : a.gramian()
    }

    /// Singular values lowered by `threshold`, those below it dropped; and how many are left. By the eigenvectors of the
    /// smaller Gramian: what that loses of small singular values lies below the threshold or far below the largest.
    private static func shrunk(_ a: DoubleMatrix, by threshold: Double) throws -> (DoubleMatrix, rank: Int) {
        let eigen = try SymmetricEigen(smallerGramian(a))
        let kept = eigen.values.indices.filter { eigen.values[$0] > threshold * threshold }
        guard !kept.isEmpty else { return (DoubleMatrix(rows: a.rows, columns: a.columns), 0) }
        let vectors = eigen.vectors.block(rows: kept[0]..<eigen.vectors.rows, columns: 0..<eigen.vectors.columns)
        let factors = kept.map { 1 - threshold / eigen.values[$0].squareRoot() }
        let scaled = DoubleMatrix(rows: vectors.rows, columns: vectors.columns) { vectors[$0, $1] * factors[$0] }
        let result =
            a.rows < a.columns
            ? vectors.multiplied(by: scaled.multiplied(by: a), transposeSelf: true)
            : a.multiplied(by: vectors, transposeOther: true).multiplied(by: scaled)
        return (result, kept.count)
    }
}
