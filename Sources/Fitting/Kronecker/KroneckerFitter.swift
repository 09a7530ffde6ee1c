import LinearAlgebra
import StructuredMatrices
import Tensors

/// Sums of Kronecker products: the truncated SVD of the rearranged weight under Frobenius (globally optimal for a grid), then
/// exact weighted alternating sweeps under activations.
///
/// Grids are tried until the one with the least error is found; (rows, 1) of them is low-rank, so that the fit is never worse
/// than the SVD of the same size under Frobenius, nor than the whitened SVD under activations.
public struct KroneckerFitter: Fitter {
    public static let method = FittingMethod(
        name: "kronecker-sweeps", family: KroneckerSum.family, objectives: [.frobenius, .activations],
        summary: "singular value decomposition of the rearranged weight, then exact weighted alternating least squares",
        source: "Van Loan and Pitsianis 1993; Krony-PT, arXiv 2412.12351; the weighted sweeps are this project's")

    /// m1, n1; nil tries several and keeps the best.
    public var outer: MatrixShape?
    /// Sweeps at most, under activations.
    public var sweeps: Int
    /// A sweep that lowers the error by less than this share of it is the last.
    public var tolerance: Double

    public init(outer: MatrixShape? = nil, sweeps: Int = 30, tolerance: Double = 1e-4) {
        (self.outer, self.sweeps, self.tolerance) = (outer, sweeps, tolerance)
    }

    /// Cost for each grid: an SVD of the rearranged weight; under activations at most `sweeps` sweeps for the best two, each
    /// of about R^2 columns^2 + ((n1 R)^3 + (n2 R)^3) / 3 multiply-adds. Memory: (n2 R)^2 + (n1 R)^2 doubles.
    /// - Throws: `FittingError` (`.indivisible` when the given grid does not divide), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<KroneckerSum> {
        try context.check(weight, objective)
        guard sweeps >= 0 else {
            throw Self.invalid("sweeps", "0 or more", sweeps)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let wide = weight.converted(to: Double.self)
        let grids = try grids(shape, size: size, context: context)
        var starts: [(grid: KroneckerGrid, factors: KroneckerFactors, error: Double)] = []
        for grid in grids {
            try context.checkCancellation()
            let factors = try grid.projection(wide)
            let product = grid.assembled(factors).converted(to: Float.self)
            starts.append((grid, factors, try objective.error(of: product, for: weight, name: context.name)))
        }
        // Low-rank has a closed form under every objective.
        if let index = grids.firstIndex(where: \.isLowRank), objective.gram != nil {
            let factorisation = try LowRankFactorisation(weight, objective: objective, context: context)
            let (u, v) = factorisation.balancedFactors(rank: grids[index].terms)
            starts[index] = (grids[index], KroneckerFactors(outer: u, inner: v), factorisation.relativeError(rank: grids[index].terms))
        }
        func finished(_ grid: KroneckerGrid, _ factors: KroneckerFactors, _ trace: [Double]?) throws -> Fit<KroneckerSum> {
            try Fit(
                measuring: grid.matrix(factors, precision: context.precision), for: weight, objective: objective,
                context: context, trace: trace)
        }
        let ordered = starts.indices.sorted { (starts[$0].error, $0) < (starts[$1].error, $1) }.map { starts[$0] }
        guard case .activations(let gram) = objective, sweeps > 0, ordered[0].error > 1e-14 else {
            return try finished(ordered[0].grid, ordered[0].factors, nil)
        }
        var best = try finished(ordered[0].grid, ordered[0].factors, nil)
        let swept = ordered.filter { !$0.grid.isLowRank && $0.grid.isSolvable }.prefix(Self.sweptGrids)
        for (number, start) in swept.enumerated() {
            let sweeper = try KroneckerSweeper(wide, gram: gram, grid: start.grid)
            guard sweeper.squaredNorm > 0 else { continue }
            let descent = ExtrapolatedDescent(sweeps: sweeps, tolerance: tolerance)
            let (factors, losses) = try descent.run(
                from: start.factors, context: context,
                report: {
                    context.progress(
                        FitProgress(
                            sweep: number * sweeps + $0 + 1, limit: swept.count * sweeps,
                            relativeError: $1 / sweeper.squaredNorm))
                },
                sweep: { sweeper.sweep(&$0) }, extrapolate: { $0.extrapolated(from: $1, step: $2) })
            let fit = try finished(start.grid, factors, losses.map { $0 / sweeper.squaredNorm })
            if fit.relativeError < best.relativeError { best = fit }
        }
        return best
    }

    /// Grids that are swept under activations.
    private static let sweptGrids = 2
    /// Grids that are tried.
    private static let triedGrids = 10

    /// Low-rank and the grids whose rearranged weight is nearest to square, each with its most terms. Never empty.
    private func grids(_ shape: MatrixShape, size: SizeBudget, context: FitContext) throws -> [KroneckerGrid] {
        func grid(_ outer: MatrixShape) throws -> KroneckerGrid {
            let inner = MatrixShape(rows: shape.rows / outer.rows, columns: shape.columns / outer.columns)
            let terms = try size.largest(
                in: 1...max(1, min(outer.count, inner.count)), family: KroneckerSum.family, shape: shape,
                matrix: context.name
            ) { KroneckerSum.cost(outer: outer, inner: inner, terms: $0, precision: context.precision) }
            return KroneckerGrid(outer: outer, inner: inner, terms: terms)
        }
        if let outer {
            guard outer.rows > 0, outer.columns > 0, shape.rows % outer.rows == 0, shape.columns % outer.columns == 0
            else {
                throw FittingError.indivisible(
                    matrix: context.name, family: KroneckerSum.family.name, shape: shape,
                    blocks: outer.rows > 0 && shape.rows % outer.rows == 0 ? outer.columns : outer.rows)
            }
            return [try grid(outer)]
        }
        var candidates: [(outer: MatrixShape, skew: Double)] = []
        for rows in 1...shape.rows where shape.rows % rows == 0 {
            for columns in 1...shape.columns where shape.columns % columns == 0 {
                let outer = MatrixShape(rows: rows, columns: columns)
                let ratio = Double(outer.count * outer.count) / Double(shape.count)
                candidates.append((outer, max(ratio, 1 / ratio)))
            }
        }
        // Low-rank first: it is what the others are measured by.
        candidates.sort { ($0.skew, $0.outer.rows) < ($1.skew, $1.outer.rows) }
        let chosen = [MatrixShape(rows: shape.rows, columns: 1)] + candidates.prefix(Self.triedGrids).map(\.outer)
        var grids: [KroneckerGrid] = []
        for outer in chosen {
            guard let grid = try? grid(outer), !grids.contains(where: { $0.outer == outer }) else { continue }
            grids.append(grid)
        }
        if grids.isEmpty {
            // The smallest of all says what would have fitted.
            let smallest = candidates.map(\.outer).min {
                $0.count + shape.count / $0.count < $1.count + shape.count / $1.count
            }
            grids = [try grid(smallest ?? MatrixShape(rows: 1, columns: 1))]
        }
        return grids
    }
}
