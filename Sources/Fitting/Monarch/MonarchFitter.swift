import LinearAlgebra
import StructuredMatrices
import Tensors

/// Monarch by its analytic projection under Frobenius (block SVDs, globally optimal) and by exact weighted sweeps, block
/// after block, from the block-whitened SVDs under activations.
///
/// Without given counts one block is among the layouts tried, which is low-rank, so that the result is never worse than the
/// weighted low-rank matrix of the same budget.
public struct MonarchFitter: Fitter {
    public static let method = FittingMethod(
        name: "monarch-sweeps", family: Monarch.family, objectives: Objective.Kind.allCases,
        summary: "low-rank blocks by block SVDs, then exact weighted sweeps, block after block",
        source: "Monarch, arXiv 2204.00595; the weighted sweeps are this project's")

    /// Which rows form a group.
    public enum Grouping: String, Sendable, CaseIterable {
        /// Every j-th row, as in the paper.
        case strided
        /// Consecutive rows.
        case contiguous
        /// Both are fitted and the better is kept.
        case better
    }

    /// k; nil tries several counts (see `Monarch.counts`) for a few sweeps and goes on with the best.
    public var inputBlocks: Int?
    /// j; nil likewise.
    public var outputGroups: Int?
    public var grouping: Grouping
    /// Sweeps at most, under activations; 0 keeps the block-whitened SVDs.
    public var sweeps: Int
    /// A sweep that lowers a group's error by less than this share of it is the group's last.
    public var tolerance: Double

    public init(
        inputBlocks: Int? = nil, outputGroups: Int? = nil, grouping: Grouping = .contiguous, sweeps: Int = 30,
        tolerance: Double = 1e-4
    ) {
        self.inputBlocks = inputBlocks
        self.outputGroups = outputGroups
        self.grouping = grouping
        self.sweeps = sweeps
        self.tolerance = tolerance
    }

    /// Cost for each layout tried: k j block SVDs; under activations at most `sweeps` sweeps of j k steps (see
    /// `MonarchSweeper`), some six as a rule.
    /// - Throws: `FittingError` (`.indivisible` when the counts do not divide), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Monarch> {
        try fit(weight, objective: objective, size: size, context: context, counts: Monarch.counts)
    }

    /// As above with the counts that are tried where none are given.
    func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext,
        counts: [(inputBlocks: Int, outputGroups: Int)]
    ) throws -> Fit<Monarch> {
        try context.check(weight, objective)
        if let rowWeights = objective.rowWeights {
            return try fitScalingRows(weight, rowWeights, objective: objective, size: size, context: context)
        }
        guard sweeps >= 0 else {
            throw Self.invalid("sweeps", "0 or more", sweeps)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let layouts = try Monarch.layouts(
            within: size, shape: shape, inputBlocks: inputBlocks, outputGroups: outputGroups, counts: counts,
            precision: context.precision, matrix: context.name)
        let wide = weight.converted(to: Double.self)
        let weighted = objective.gram.map { wide.multiplied(by: $0.matrix) } ?? wide
        let squaredNorm = objective.squaredNorm(of: wide)
        func fit(_ layout: MonarchLayout, strided: Bool, sweeps: Int) throws -> Fit<Monarch> {
            let problem = try Problem(
                weight: wide, weightedWeight: weighted, squaredNorm: squaredNorm, layout, gram: objective.gram
            )
            let (matrix, trace) = try self.fit(problem, strided: strided, sweeps: sweeps, context: context)
            return try Fit(
                measuring: matrix, for: weight, objective: objective, context: context,
                trace: trace.isEmpty ? nil : trace)
        }

        let layout = try best(of: layouts) {
            try fit($0, strided: grouping == .strided, sweeps: min(sweeps, Self.trialSweeps)).relativeError
        }
        func fit(strided: Bool) throws -> Fit<Monarch> { try fit(layout, strided: strided, sweeps: sweeps) }
        switch grouping {
        case .strided: return try fit(strided: true)
        case .contiguous: return try fit(strided: false)
        case .better:
            let (contiguous, strided) = (try fit(strided: false), try fit(strided: true))
            return strided.relativeError < contiguous.relativeError ? strided : contiguous
        }
    }

    /// Sweeps after which block counts are compared.
    private static let trialSweeps = 2
    /// Errors fall and then rise with the number of blocks: after so many layouts in a row that are worse than the best, finer
    /// ones are not tried, of those with one output group and of those with several.
    private static let patience = 2
    /// Nothing is tried any more once a layout is exact.
    private static let exact = 1e-12

    private func best(of layouts: [MonarchLayout], error: (MonarchLayout) throws -> Double) throws -> MonarchLayout {
        guard layouts.count > 1 else { return layouts[0] }
        var best: (layout: MonarchLayout, error: Double)?
        var worse: [Bool: Int] = [:]
        for layout in layouts where worse[layout.outputGroups > 1, default: 0] < Self.patience {
            let error = try error(layout)
            if let best, error >= best.error {
                worse[layout.outputGroups > 1, default: 0] += 1
            } else {
                best = (layout, error)
                worse[layout.outputGroups > 1] = 0
            }
            if error < Self.exact { break }
        }
        return best?.layout ?? layouts[0]
    }

    private struct Problem {
        let weight: DoubleMatrix
        let weightedWeight: DoubleMatrix
        let squaredNorm: Double
        let gram: Gram?
        let (blocks, groups, rank): (Int, Int, Int)
        let projection: MonarchProjection

        init(
            weight: DoubleMatrix, weightedWeight: DoubleMatrix, squaredNorm: Double, _ layout: MonarchLayout,
            gram: Gram?
        ) throws {
            self.weight = weight
            self.weightedWeight = weightedWeight
            self.squaredNorm = squaredNorm
            self.gram = gram
            (blocks, groups, rank) = (layout.inputBlocks, layout.outputGroups, layout.rank)
            projection = try MonarchProjection(gram, blocks: layout.inputBlocks)
        }

        /// The rows of one group, in their order within it.
        func rows(_ group: Int, of matrix: DoubleMatrix, strided: Bool) -> DoubleMatrix {
            let count = matrix.rows / groups
            return DoubleMatrix(rows: count, columns: matrix.columns) { position, column in
                matrix[strided ? position * groups + group : group * count + position, column]
            }
        }
    }

    private func fit(
        _ problem: Problem, strided: Bool, sweeps: Int, context: FitContext
    ) throws -> (Monarch, trace: [Double]) {
        let (blocks, groups, rank) = (problem.blocks, problem.groups, problem.rank)
        let (groupRows, blockColumns) = (problem.weight.rows / groups, problem.weight.columns / blocks)
        var right = [Double](repeating: 0, count: blocks * groups * rank * blockColumns)
        var left: [Double] = []
        var traces: [[Double]] = []
        for index in 0..<groups {
            try context.checkCancellation()
            let weight = problem.rows(index, of: problem.weight, strided: strided)
            let weighted = problem.rows(index, of: problem.weightedWeight, strided: strided)
            let norm = weight.innerProduct(weighted)
            var group = try problem.projection(weight, rank: rank)
            // Full blocks are exact already.
            if let gram = problem.gram, sweeps > 0, norm > 0, rank < min(groupRows, blockColumns) {
                var sweeper = try MonarchSweeper(weight, gram: gram, squaredNorm: norm, blocks: blocks, start: group)
                var losses: [Double] = []
                for sweep in 0..<sweeps {
                    try context.checkCancellation()
                    let before = losses.last ?? norm
                    // Exact steps lose nothing; what rounding does is not counted.
                    let loss = min(before, try sweeper.sweep())
                    losses.append(loss)
                    context.progress(
                        FitProgress(
                            sweep: index * sweeps + sweep + 1, limit: groups * sweeps, relativeError: loss / norm))
                    if before - loss < tolerance * before { break }
                }
                group = try sweeper.group(weighted: weighted)
                traces.append(losses)
            }
            left += group.left.elements
            for block in 0..<blocks {
                let source = group.right.elements[
                    block * rank * blockColumns..<(block + 1) * rank * blockColumns]
                let target = (block * groups + index) * rank * blockColumns
                right.replaceSubrange(target..<target + source.count, with: source)
            }
        }
        let matrix = Monarch(
            right: Factor(
                right.map { Float($0) }, shape: [blocks, groups * rank, blockColumns],
                precision: context.precision),
            left: Factor(
                left.map { Float($0) }, shape: [groups, groupRows, blocks * rank],
                precision: context.precision),
            strided: strided)
        return (matrix, trace(of: traces, squaredNorm: problem.squaredNorm))
    }

    /// The groups' losses added up sweep by sweep; a group that ended early keeps its last. Empty without
    /// sweeps.
    private func trace(of groups: [[Double]], squaredNorm: Double) -> [Double] {
        let length = groups.map(\.count).max() ?? 0
        return (0..<length).map { sweep in
            groups.reduce(0) { $0 + ($1.indices.contains(sweep) ? $1[sweep] : $1.last ?? 0) } / squaredNorm
        }
    }
}
