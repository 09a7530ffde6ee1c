import LinearAlgebra
import StructuredMatrices
import Tensors

/// Monarch by its analytic projection under Frobenius (block SVDs, globally optimal) and by exact weighted alternating
/// sweeps from the block-whitened SVDs under activations.
public struct MonarchFitter: Fitter {
    public static let method = FittingMethod(
        name: "monarch-sweeps", family: Monarch.family, objectives: [.frobenius, .activations],
        summary: "low-rank blocks by block SVDs, then exact weighted alternating least squares",
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

    /// k; nil takes the largest divisor of the columns up to 4 that the budget allows.
    public var inputBlocks: Int?
    /// j; nil takes the largest divisor of the rows up to 4 that the budget allows.
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

    /// Cost: k j block SVDs; under activations at most `sweeps` sweeps of about 4 j n^2 r operations.
    /// - Throws: `FittingError` (`.indivisible` when the counts do not divide), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Monarch> {
        try context.check(weight, objective)
        guard sweeps >= 0 else {
            throw FittingError.invalidOption(
                fitter: Self.method.name, option: "sweeps", expected: "0 or more", got: sweeps)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let (blocks, groups, rank) = try Monarch.size(
            within: size, shape: shape, inputBlocks: inputBlocks, outputGroups: outputGroups,
            precision: context.precision, matrix: context.name)
        let problem = try Problem(weight, objective, blocks: blocks, groups: groups, rank: rank)
        func fit(strided: Bool) throws -> Fit<Monarch> {
            let (matrix, trace) = try self.fit(problem, strided: strided, context: context)
            return try Fit(measuring: matrix, for: weight, objective: objective, context: context, trace: trace.isEmpty ? nil : trace)
        }
        switch grouping {
        case .strided: return try fit(strided: true)
        case .contiguous: return try fit(strided: false)
        case .better:
            let (contiguous, strided) = (try fit(strided: false), try fit(strided: true))
            return strided.relativeError < contiguous.relativeError ? strided : contiguous
        }
    }

    private struct Problem {
        let weight: DoubleMatrix
        let weightedWeight: DoubleMatrix
        let squaredNorm: Double
        let (blocks, groups, rank): (Int, Int, Int)
        let projection: MonarchProjection
        let sweeper: MonarchSweeper?

        init(_ weight: Matrix, _ objective: Objective, blocks: Int, groups: Int, rank: Int) throws {
            let wide = weight.converted(to: Double.self)
            self.weight = wide
            weightedWeight = objective.gram.map { wide.multiplied(by: $0.matrix) } ?? wide
            squaredNorm = objective.squaredNorm(of: wide)
            (self.blocks, self.groups, self.rank) = (blocks, groups, rank)
            projection = try MonarchProjection(objective.gram, blocks: blocks)
            sweeper = try objective.gram.map {
                try MonarchSweeper($0, groupRows: weight.rows / groups, blocks: blocks, rank: rank)
            }
        }

        /// The rows of one group, in their order within it.
        func rows(_ group: Int, of matrix: DoubleMatrix, strided: Bool) -> DoubleMatrix {
            let count = matrix.rows / groups
            return DoubleMatrix(rows: count, columns: matrix.columns) { position, column in
                matrix[strided ? position * groups + group : group * count + position, column]
            }
        }
    }

    private func fit(_ problem: Problem, strided: Bool, context: FitContext) throws -> (Monarch, trace: [Double]) {
        let (blocks, groups, rank) = (problem.blocks, problem.groups, problem.rank)
        let (groupRows, blockColumns) = (problem.weight.rows / groups, problem.weight.columns / blocks)
        var right = [Double](repeating: 0, count: blocks * groups * rank * blockColumns)
        var left: [Double] = []
        var traces: [[Double]] = []
        for index in 0..<groups {
            try context.checkCancellation()
            let weight = problem.rows(index, of: problem.weight, strided: strided)
            let weighted = problem.rows(index, of: problem.weightedWeight, strided: strided)
            var norm = 0.0
            for position in weight.elements.indices { norm += weight.elements[position] * weighted.elements[position] }
            var group = try problem.projection(weight, rank: rank)
            // Full blocks are exact already.
            if let sweeper = problem.sweeper, sweeps > 0, norm > 0, rank < min(groupRows, blockColumns) {
                sweeper.begin(weightedWeight: weighted, squaredNorm: norm)
                let descent = ExtrapolatedDescent(sweeps: sweeps, tolerance: tolerance)
                let (fitted, losses) = try descent.run(
                    from: group, context: context,
                    report: { number, loss in
                        context.progress(FitProgress(
                            sweep: index * sweeps + number + 1, limit: groups * sweeps, relativeError: loss / norm))
                    },
                    sweep: { sweeper.sweep(&$0) }, extrapolate: { $0.extrapolated(from: $1, step: $2) })
                group = fitted
                traces.append(losses)
            }
            left += group.left.elements
            for block in 0..<blocks {
                let source = group.right.elements[block * rank * blockColumns..<(block + 1) * rank * blockColumns]
                let target = (block * groups + index) * rank * blockColumns
                right.replaceSubrange(target..<target + source.count, with: source)
            }
        }
        let matrix = Monarch(
            right: Factor(right.map { Float($0) }, shape: [blocks, groups * rank, blockColumns], precision: context.precision),
            left: Factor(left.map { Float($0) }, shape: [groups, groupRows, blocks * rank], precision: context.precision),
            strided: strided)
        return (matrix, trace(of: traces, squaredNorm: problem.squaredNorm))
    }

    /// The groups' losses added up sweep by sweep; a group that ended early keeps its last. Empty without sweeps.
    private func trace(of groups: [[Double]], squaredNorm: Double) -> [Double] {
        let length = groups.map(\.count).max() ?? 0
        return (0..<length).map { sweep in
            groups.reduce(0) { $0 + ($1.indices.contains(sweep) ? $1[sweep] : $1.last ?? 0) } / squaredNorm
        }
    }
}

extension Monarch {
    package static func cost(
        shape: MatrixShape, inputBlocks: Int, outputGroups: Int, rank: Int, precision: Precision
    ) -> Cost {
        .factors(rank * (outputGroups * shape.columns + inputBlocks * shape.rows), precision: precision)
    }

    /// Block counts and the largest rank (at most that of a dense block) within a budget.
    /// - Throws: `FittingError.indivisible`, `.budgetBelowMinimum`.
    package static func size(
        within size: SizeBudget, shape: MatrixShape, inputBlocks: Int?, outputGroups: Int?, precision: Precision,
        matrix: String
    ) throws -> (inputBlocks: Int, outputGroups: Int, rank: Int) {
        for (count, extent) in [(inputBlocks, shape.columns), (outputGroups, shape.rows)] {
            if let count, count < 1 || extent % count != 0 {
                throw FittingError.indivisible(matrix: matrix, family: family.name, shape: shape, blocks: count)
            }
        }
        // From 4 down until rank 1 fits; 1 is a low-rank matrix.
        var (blocks, groups) = (1, 1)
        for limit in stride(from: 4, through: 1, by: -1) {
            func divisor(_ extent: Int) -> Int { (1...limit).last { extent % $0 == 0 } ?? 1 }
            (blocks, groups) = (inputBlocks ?? divisor(shape.columns), outputGroups ?? divisor(shape.rows))
            let smallest = cost(
                shape: shape, inputBlocks: blocks, outputGroups: groups, rank: 1, precision: precision)
            if size.allows(smallest, shape: shape) { break }
        }
        let rank = try size.largest(
            in: 1...max(1, min(shape.rows / groups, shape.columns / blocks)), family: family, shape: shape, matrix: matrix
        ) { cost(shape: shape, inputBlocks: blocks, outputGroups: groups, rank: $0, precision: precision) }
        return (blocks, groups, rank)
    }
}
