import LinearAlgebra
import StructuredMatrices
import Tensors

/// Block-diagonal after co-clustering rows and columns: the energies W_ij^2 g_j (g the mean squares of the inputs) are
/// gathered in g blocks by balanced assignments of rows and columns in turn, each of which never loses energy, from spectral
/// starts; the blocks are then fitted by exact least squares under the whole Gram matrix.
public struct PermutedBlockDiagonalFitter: Fitter {
    public static let method = FittingMethod(
        name: "co-clustering", family: PermutedBlockDiagonal.family, objectives: Objective.Kind.allCases,
        summary: "rows and columns clustered so that energy lies in blocks, then exact least squares",
        source: "textbook; the fit is this project's")

    /// g; nil takes the fewest that the budget allows.
    public var blocks: Int?
    /// Starts; the one that keeps most energy is fitted.
    public var restarts: Int

    public init(blocks: Int? = nil, restarts: Int = 10) { (self.blocks, self.restarts) = (blocks, restarts) }

    /// Cost: one SVD, some rounds of rows columns additions for each start, and `BlockDiagonalFitter`'s.
    /// - Throws: `FittingError` (`.indivisible` when `blocks` does not divide both sizes, `.invalidOption`), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<PermutedBlockDiagonal> {
        try context.check(weight, objective)
        guard restarts >= 1 else {
            throw Self.invalid("restarts", "1 or more", restarts)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let count = try BlockCount.smallest(
            within: size, shape: shape, blocks: blocks, family: PermutedBlockDiagonal.family, context: context
        ) { PermutedBlockDiagonal.cost(shape: shape, blocks: $0, precision: context.precision) }
        var energy = weight.converted(to: Double.self)
        let inputs = objective.gram?.diagonal ?? [Double](repeating: 1, count: shape.columns)
        for index in energy.elements.indices {
            energy.elements[index] *= energy.elements[index] * inputs[index % shape.columns]
        }
        energy.scaleRows(by: objective.rowWeights)
        let groups = try CoClustering(energy, groups: count).best(of: restarts, context: context)
        let (rowOrder, columnOrder) = (Permutation.sorting(groups.rows), Permutation.sorting(groups.columns))

        let ordered = Matrix(rows: shape.rows, columns: shape.columns) {
            weight[rowOrder.indices[$0], columnOrder.indices[$1]]
        }
        // Weights of rows change nothing: rows of a block share no numbers.
        let inner: Objective =
            try objective.gram.map { gram in
                let moments = gram.matrix
                let matrix = DoubleMatrix(rows: shape.columns, columns: shape.columns) {
                    moments[columnOrder.indices[$0], columnOrder.indices[$1]]
                }
                return .activations(try Gram(matrix, relativeDamping: 0))
            } ?? .frobenius
        let fit = try BlockDiagonalFitter(blocks: count).fit(
            ordered, objective: inner, size: .parameters(shape.count), context: context)
        let matrix = PermutedBlockDiagonal(
            blocks: fit.matrix.blocks, rowOrder: rowOrder, columnOrder: columnOrder)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }
}
