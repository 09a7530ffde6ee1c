import LinearAlgebra
import StructuredMatrices
import Tensors

/// W = L + S with L of a rank and S of a number of entries: what the fitters of such sums share. Steps in either part
/// given the other, each the exact minimum under the objective or as near as conjugate gradients come.
struct SparseLowRankProblem {
    let weight: Matrix
    /// The same in `Double`.
    let wide: DoubleMatrix
    let objective: Objective
    let pattern: SparseForm
    let context: FitContext
    let rank: Int
    let entries: Int
    /// W times a square root of G.
    private let root: DoubleMatrix?
    let squaredNorm: Double

    var shape: MatrixShape { MatrixShape(rows: wide.rows, columns: wide.columns) }

    /// - Parameters:
    ///   - rank: nil takes `share` of the budget, 1 at least; entries take what is left.
    ///   - size: of the whole.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    init(
        _ weight: Matrix, objective: Objective, size: SizeBudget, pattern: SparseForm, rank: Int?, share: Double,
        fitter: String, context: FitContext
    ) throws {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        try pattern.check(shape: shape, fitter: fitter, matrix: context.name)
        let precision = context.precision
        if let rank, !(1...min(shape.rows, shape.columns)).contains(rank) {
            throw FittingError.invalidOption(
                fitter: fitter, option: "rank", expected: "1 to \(min(shape.rows, shape.columns))", got: rank)
        }
        func cost(_ rank: Int, _ entries: Int) -> Cost {
            .lowRank(rank, shape: shape, precision: precision)
                + pattern.cost(shape: shape, entries: entries, precision: precision)
        }
        let allotted = size.share(share, shape: shape)
        var chosen = rank ?? (try? LowRankFactorisation.rank(within: allotted, shape: shape, precision: precision)) ?? 1
        let counts = pattern.entries(shape: shape)
        if rank == nil, counts.count == 1 {
            // Groups take what they take; the rank takes the rest.
            chosen = try size.largest(
                in: 1...min(shape.rows, shape.columns), family: MatrixSum.family, shape: shape, matrix: context.name
            ) { cost($0, counts.lowerBound) }
        }
        let fixed = chosen
        entries = try size.largest(in: counts, family: MatrixSum.family, shape: shape, matrix: context.name) {
            cost(fixed, $0)
        }
        self.rank = chosen
        self.weight = weight
        self.objective = objective
        self.pattern = pattern
        self.context = context
        wide = weight.converted()
        root = try objective.gram?.root().factor
        squaredNorm = objective.squaredNorm(of: wide)
    }

    /// A matrix times a square root of G: its Frobenius norm is the objective's.
    func whitened(_ matrix: DoubleMatrix) -> DoubleMatrix { root.map { matrix.multiplied(by: $0) } ?? matrix }

    /// The relative error of W - V.
    func relativeError(_ difference: DoubleMatrix) -> Double {
        objective.relative(objective.squaredNorm(of: difference), to: squaredNorm)
    }

    /// Scores of places by what setting them to the residual would save were inputs uncorrelated.
    func scores(_ residual: DoubleMatrix) -> DoubleMatrix {
        let importance = objective.gram?.diagonal
        return DoubleMatrix(rows: residual.rows, columns: residual.columns) { row, column in
            residual[row, column] * residual[row, column] * (importance?[column] ?? 1)
        }
    }

    /// The best numbers in given places beside a low-rank part.
    func refitted(_ sparse: DoubleMatrix, mask: [Bool], besides lowRank: DoubleMatrix, iterations: Int) throws -> DoubleMatrix {
        let residual = wide - lowRank
        guard let gram = objective.gram else {
            return DoubleMatrix(rows: residual.rows, columns: residual.columns, elements: zip(mask, residual.elements).map { $0 ? $1 : 0 })
        }
        return try MaskedQuadratic(h: gram.matrix, iterations: iterations).minimise(
            from: sparse, target: residual.multiplied(by: gram.matrix), mask: mask, context: context)
    }

    /// Alternates exact steps in the two parts from given places, and stores the result: low-rank first, so that the last
    /// sparse step makes good what rounding the factors spoils.
    /// - Parameters:
    ///   - lowRank: rows x columns, of any rank.
    ///   - lastIterations: of conjugate gradients, in the last sparse step.
    func finished(
        lowRank start: DoubleMatrix, mask: [Bool], subspace: Subspace, sweeps: Int, lastIterations: Int = 100, trace: [Double]
    ) throws -> Fit<MatrixSum> {
        var (trace, subspace) = (trace, subspace)
        var sparse = DoubleMatrix(rows: wide.rows, columns: wide.columns)
        sparse = try refitted(sparse, mask: mask, besides: start, iterations: 30)
        for sweep in 0..<sweeps {
            try context.checkCancellation()
            subspace = try subspace.improved(for: whitened(wide - sparse), steps: 2)
            let lowRank = subspace.projection(of: wide - sparse)
            sparse = try refitted(sparse, mask: mask, besides: lowRank, iterations: 15)
            trace.append(relativeError(wide - lowRank - sparse))
            context.progress(FitProgress(sweep: sweep + 1, limit: sweeps, relativeError: trace[trace.count - 1]))
            if sweep > 0, trace[trace.count - 2] - trace[trace.count - 1] < 1e-4 * trace[trace.count - 2] { break }
        }
        let residual: Matrix = (wide - sparse).converted()
        let lowRank = try LowRankFactorisation(residual, objective: objective, context: context)
            .matrix(rank: rank, precision: context.precision)
        sparse = try refitted(sparse, mask: mask, besides: lowRank.dense().converted(), iterations: lastIterations)
        let matrix = try MatrixSum([pattern.matrix(sparse, mask: mask, precision: context.precision), lowRank])
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context, trace: trace)
    }
}
