import LinearAlgebra
import Tensors

/// A low-rank part, the places of the sparse part beside it, and the subspace that the low-rank part came from.
struct SparseLowRankState {
    var lowRank: DoubleMatrix
    var mask: [Bool]
    var subspace: Subspace
    var trace: [Double]
}

extension SparseLowRankProblem {
    /// The norm in which parts are found: that of the objective, or the same with inputs taken as uncorrelated.
    enum Metric {
        case whole, diagonal
    }

    /// Alternates truncated decompositions of W - S and hard thresholds of W - L; the best pair is returned.
    ///
    /// Both steps are exact minima, so that the error never rises, under Frobenius and in the diagonal metric. In the whole
    /// one the places are chosen as if inputs were uncorrelated.
    func alternated(sweeps: Int, metric: Metric) throws -> SparseLowRankState {
        let scales = objective.gram?.diagonal.map { $0.squareRoot() }
        func root(_ matrix: DoubleMatrix) -> DoubleMatrix {
            guard metric == .diagonal, let scales else { return whitened(matrix) }
            return DoubleMatrix(rows: matrix.rows, columns: matrix.columns) { matrix[$0, $1] * scales[$1] }
        }
        let total = root(wide).squaredNorm
        func error(_ difference: DoubleMatrix) -> Double { total > 0 ? root(difference).squaredNorm / total : 0 }

        var subspace = try Subspace(of: root(wide), rank: rank)
        var lowRank = subspace.projection(of: wide)
        var best = SparseLowRankState(
            lowRank: lowRank, mask: pattern.places(scores(wide - lowRank), entries: entries), subspace: subspace, trace: [])
        var least = Double.infinity
        for sweep in 0..<sweeps {
            try context.checkCancellation()
            let mask = pattern.places(scores(wide - lowRank), entries: entries)
            let kept = (wide - lowRank).elements
            var sparse = DoubleMatrix(rows: wide.rows, columns: wide.columns, elements: zip(mask, kept).map { $0 ? $1 : 0 })
            if metric == .whole { sparse = try refitted(sparse, mask: mask, besides: lowRank, iterations: 10) }
            subspace = try subspace.improved(for: root(wide - sparse), steps: 1)
            lowRank = subspace.projection(of: wide - sparse)
            let reached = error(wide - lowRank - sparse)
            if reached < least {
                best = SparseLowRankState(lowRank: lowRank, mask: mask, subspace: subspace, trace: best.trace)
            }
            let improvement = least - reached
            least = min(least, reached)
            best.trace.append(least)
            context.progress(FitProgress(sweep: sweep + 1, limit: sweeps, relativeError: least))
            if improvement < 1e-4 * least { break }
        }
        return best
    }
}
