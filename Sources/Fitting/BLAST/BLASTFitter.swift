import StructuredMatrices
import Tensors

/// BLAST by exact weighted block least squares, from the weighted low-rank fit of the same rank.
///
/// Sweeps are extrapolated (each starts a little beyond where the last two point, as momentum does; a sweep
/// whose loss rises is dropped and the extrapolation shortened), which takes a fraction of the plain sweeps.
/// The result is never worse than the low-rank matrix of the same rank, which is a BLAST matrix with every
/// diagonal 1.
public struct BLASTFitter: Fitter {
    public static let method = FittingMethod(
        name: "blast-sweeps", family: BLAST.family, objectives: Objective.Kind.allCases,
        summary: "shared block bases by exact weighted alternating least squares",
        source: "BLAST, arXiv 2410.21262, fitted by this project's exact steps")

    /// b; nil takes the largest common divisor of both sizes up to 16 whose smallest member is within the
    /// budget.
    public var blocks: Int?
    /// Sweeps at most.
    public var sweeps: Int
    /// A sweep that lowers the error by less than this share of it is the last.
    public var tolerance: Double

    public init(blocks: Int? = nil, sweeps: Int = 40, tolerance: Double = 1e-4) {
        self.blocks = blocks
        self.sweeps = sweeps
        self.tolerance = tolerance
    }

    /// How far the starting diagonals are scattered about 1, to leave the low-rank saddle.
    private static let noise = 0.1

    /// Cost: one SVD of W L, then at most `sweeps` sweeps (see `BLASTSweeper`).
    /// - Throws: `FittingError` (`.indivisible` when `blocks` does not divide both sizes), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<BLAST> {
        try fit(weight, objective: objective, size: size, context: context, factorisation: nil)
    }

    /// As above, from a low-rank factorisation that is already at hand (of the same weight and objective).
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext,
        factorisation: LowRankFactorisation?
    ) throws -> Fit<BLAST> {
        try context.check(weight, objective)
        if let rowWeights = objective.rowWeights {
            return try fitScalingRows(weight, rowWeights, objective: objective, size: size, context: context)
        }
        guard sweeps >= 0 else {
            throw Self.invalid("sweeps", "0 or more", sweeps)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let (blocks, rank) = try BLAST.size(
            within: size, shape: shape, blocks: blocks, precision: context.precision, matrix: context.name)
        let start = try factorisation ?? LowRankFactorisation(weight, objective: objective, context: context)
        var generator = context.generator(for: "blast")
        let lowRank = BLASTFactors(
            start.balancedFactors(rank: rank), blocks: blocks, noise: 0, using: &generator)
        let lowRankError = start.relativeError(rank: rank)
        func finished(_ factors: BLASTFactors, _ trace: [Double]) throws -> Fit<BLAST> {
            try Fit(
                measuring: factors.matrix(precision: context.precision), for: weight, objective: objective,
                context: context, trace: trace)
        }
        // One block is a low-rank matrix, already the best; so is an exact fit.
        guard blocks > 1, lowRankError > 1e-14, sweeps > 0 else {
            return try finished(lowRank, [lowRankError])
        }

        var scattered = lowRank
        for index in scattered.s.elements.indices {
            scattered.s.elements[index] += Self.noise * generator.nextNormal()
        }
        let sweeper = try BLASTSweeper(weight, objective: objective, blocks: blocks, rank: rank)
        let descent = ExtrapolatedDescent(sweeps: sweeps, tolerance: tolerance)
        let (factors, trace) = try descent.run(
            from: scattered, context: context,
            report: { context.progress(FitProgress(sweep: $0 + 1, limit: sweeps, relativeError: $1)) },
            sweep: {
                let error = sweeper.sweep(&$0)
                $0.rebalance()
                return error
            },
            extrapolate: { $0.extrapolated(from: $1, step: $2) })
        guard let last = trace.last, last < lowRankError else { return try finished(lowRank, [lowRankError]) }
        return try finished(factors, trace)
    }
}

extension BLAST {
    /// What b blocks and rank r cost.
    package static func cost(shape: MatrixShape, blocks: Int, rank: Int, precision: Precision) -> Cost {
        .factors(rank * (shape.rows + shape.columns + blocks * blocks), precision: precision)
    }

    /// The blocks and the largest rank (at most that of a dense matrix) within a budget.
    /// - Throws: `FittingError.indivisible`, `.budgetBelowMinimum`.
    package static func size(
        within size: SizeBudget, shape: MatrixShape, blocks: Int?, precision: Precision, matrix: String
    ) throws -> (blocks: Int, rank: Int) {
        let chosen: Int
        if let blocks {
            guard blocks > 0, shape.rows % blocks == 0, shape.columns % blocks == 0 else {
                throw FittingError.indivisible(
                    matrix: matrix, family: family.name, shape: shape, blocks: blocks)
            }
            chosen = blocks
        } else {
            let divisors = (1...16).filter { shape.rows % $0 == 0 && shape.columns % $0 == 0 }
            chosen =
                divisors.last {
                    size.allows(cost(shape: shape, blocks: $0, rank: 1, precision: precision), shape: shape)
                } ?? 1
        }
        let rank = try size.largest(
            in: 1...max(1, min(shape.rows, shape.columns)), family: family, shape: shape, matrix: matrix
        ) { cost(shape: shape, blocks: chosen, rank: $0, precision: precision) }
        return (chosen, rank)
    }
}
