import StructuredMatrices
import Tensors

/// Block-diagonal, then dense: a Monarch matrix with one output group, and fitted as one, by block SVDs and
/// exact weighted sweeps.
public struct BlockDenseFitter: Fitter {
    public static let method = FittingMethod(
        name: "block-dense", family: BlockDense.family, objectives: Objective.Kind.allCases,
        summary: "block-diagonal then dense, by the sweeps of Monarch with one output group",
        source: "StructuredFFN, arXiv 2406.16450; the fit is this project's")

    /// B; nil tries several for a few sweeps and goes on with the best.
    public var blocks: Int?
    public var sweeps: Int
    public var tolerance: Double

    public init(blocks: Int? = nil, sweeps: Int = 30, tolerance: Double = 1e-4) {
        self.blocks = blocks
        self.sweeps = sweeps
        self.tolerance = tolerance
    }

    /// Cost: as `MonarchFitter`.
    /// - Throws: as `MonarchFitter`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<BlockDense> {
        let monarch: Fit<Monarch>
        do {
            monarch = try MonarchFitter(
                inputBlocks: blocks, outputGroups: 1, sweeps: sweeps, tolerance: tolerance
            )
            .fit(weight, objective: objective, size: size, context: context)
        } catch let error as FittingError {
            throw error.renamed(family: BlockDense.family, fitter: Self.method.name)
        }
        let matrix = BlockDense(
            first: monarch.matrix.right,
            second: Factor(
                monarch.matrix.left.values, shape: [weight.rows, monarch.matrix.left.shape[2]],
                precision: context.precision))
        return try Fit(
            measuring: matrix, for: weight, objective: objective, context: context, trace: monarch.trace)
    }
}

extension FittingError {
    /// The same error in the words of the fitter that borrowed another's.
    func renamed(family: Family, fitter: String) -> FittingError {
        switch self {
        case .budgetBelowMinimum(let matrix, _, let shape, let budget, let minimum):
            .budgetBelowMinimum(
                matrix: matrix, family: family.name, shape: shape, budget: budget, minimum: minimum)
        case .indivisible(let matrix, _, let shape, let blocks):
            .indivisible(matrix: matrix, family: family.name, shape: shape, blocks: blocks)
        case .invalidOption(_, let option, let expected, let got):
            .invalidOption(fitter: fitter, option: option, expected: expected, got: got)
        default: self
        }
    }
}
