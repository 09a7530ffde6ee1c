import StructuredMatrices
import Tensors

/// Block-diagonal x N:M sparse x block-diagonal, from a pruned matrix between identities: block coordinate descent, in which
/// each part takes its best value for the others under the objective (the paper takes gradient steps under its diagonal).
/// Never above the error of the pruned matrix it starts from.
public struct ARMORFitter: Fitter {
    public static let method = FittingMethod(
        name: "armor", family: MatrixProduct.family, objectives: [.frobenius, .activations],
        summary: "a pruned matrix between two block-diagonal ones that undo part of the pruning's error",
        source: "ARMOR, arXiv 2510.05528")

    /// Makes the pruned matrix: any fitter of N:M sparse ones.
    public var pruner: any Fitter
    /// Rows of a block, at most: the largest divisor of each side is taken. Nil takes up to 32 where that leaves the core three
    /// quarters of the budget.
    public var blockSize: Int?
    public var sweeps: Int
    /// Rounds of new places for the core in every sweep.
    public var rounds: Int
    /// A sweep that lowers the error by less than this share of it is the last.
    public var tolerance: Double

    public init(
        pruner: any Fitter = NMSparseFitter<RefittedPruning<SparseGPTPruning>>(), blockSize: Int? = nil, sweeps: Int = 30, rounds: Int = 6,
        tolerance: Double = 1e-3
    ) {
        self.pruner = pruner
        self.blockSize = blockSize
        self.sweeps = sweeps
        self.rounds = rounds
        self.tolerance = tolerance
    }

    /// What the two block-diagonal factors cost.
    public static func wrapperCost(shape: MatrixShape, blockSize: Int, precision: Precision) -> Cost {
        let sizes = (divisor(of: shape.rows, upTo: blockSize), divisor(of: shape.columns, upTo: blockSize))
        return .factors(shape.rows * sizes.0 + shape.columns * sizes.1, precision: precision)
    }

    /// The rows of a block on a side.
    package static func divisor(of size: Int, upTo limit: Int) -> Int {
        (1...max(1, min(limit, size))).last { size % $0 == 0 } ?? 1
    }

    /// Cost of a sweep: some 25 rows columns^2 multiply-adds.
    /// - Throws: `FittingError` (`unsuitablePart` when the pruner fits another family), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixProduct> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        if let blockSize, blockSize < 1 {
            throw Self.invalid("block size", "1 or more", blockSize)
        }
        let quarter = size.share(0.25, shape: shape)
        let blockSize = blockSize ?? (1...32).last {
            quarter.allows(Self.wrapperCost(shape: shape, blockSize: $0, precision: context.precision), shape: shape)
        } ?? 1
        let wrappers = Self.wrapperCost(shape: shape, blockSize: blockSize, precision: context.precision)
        let pruned = try pruner.fit(
            weight, objective: objective, size: size, reserving: wrappers, family: MatrixProduct.family, context: context)
        guard let start = pruned.matrix as? NMSparse else {
            throw FittingError.unsuitablePart(
                fitter: Self.method.name, expected: NMSparse.family.name, got: pruned.matrix.family.name)
        }
        var state = ARMORState(
            start, weight: weight, objective: objective, leftSize: Self.divisor(of: shape.rows, upTo: blockSize),
            rightSize: Self.divisor(of: shape.columns, upTo: blockSize), context: context)
        let first = try stored(state, core: start, weight, objective, context, trace: [pruned.relativeError])
        let total = objective.squaredNorm(of: state.wide)
        var trace = [objective.relative(state.errors().reduce(0, +), to: total)]
        guard total > 0 else { return first }
        for sweep in 0..<sweeps {
            try context.checkCancellation()
            try state.updateLeft()
            try state.updateRight()
            try state.updateCore(iterations: 10)
            try state.updatePlaces(rounds: rounds)
            trace.append(max(0, state.errors().reduce(0, +)) / total)
            context.progress(FitProgress(sweep: sweep + 1, limit: sweeps, relativeError: trace[sweep + 1]))
            if trace[sweep] - trace[sweep + 1] < tolerance * trace[sweep] { break }
        }
        // The wrappers as they are stored; a last refit of the core makes good what rounding them spoils.
        state.left = state.left.map { $0.rounded(context.precision) }
        state.right = state.right.map { $0.rounded(context.precision) }
        try state.updateCore(iterations: 40)
        let core = try SparseForm.groups(kept: start.kept, of: start.group)
            .matrix(state.core, mask: state.mask, precision: context.precision)
        let last = try stored(state, core: core, weight, objective, context, trace: trace)
        return last.relativeError <= first.relativeError ? last : first
    }

    private func stored(
        _ state: ARMORState, core: any StructuredMatrix, _ weight: Matrix, _ objective: Objective, _ context: FitContext,
        trace: [Double]
    ) throws -> Fit<MatrixProduct> {
        func blocks(_ blocks: [DoubleMatrix]) -> BlockDiagonal {
            let size = blocks[0].rows
            return BlockDiagonal(
                blocks: Factor(
                    blocks.flatMap { $0.elements.map { Float($0) } }, shape: [blocks.count, size, size],
                    precision: context.precision))
        }
        return try Fit(
            measuring: MatrixProduct([blocks(state.left), core, blocks(state.right)]), for: weight, objective: objective,
            context: context, trace: trace)
    }
}

extension DoubleMatrix {
    /// The values that are read back when these are stored.
    fileprivate func rounded(_ precision: Precision) -> DoubleMatrix {
        DoubleMatrix(rows: rows, columns: columns, elements: elements.map { Double(precision.rounded(Float($0))) })
    }
}
