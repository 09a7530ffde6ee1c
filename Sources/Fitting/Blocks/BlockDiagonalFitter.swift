import LinearAlgebra
import StructuredMatrices
import Tensors

/// The best block-diagonal matrix: the diagonal blocks themselves under Frobenius; under activations the
/// exact least squares W_i G[:, S_i] G[S_i, S_i]^-1 for each block of rows i with inputs S_i, which gives to
/// the kept inputs whatever they can predict of the dropped ones.
public struct BlockDiagonalFitter: Fitter {
    public static let method = FittingMethod(
        name: "block-diagonal", family: BlockDiagonal.family, objectives: Objective.Kind.allCases,
        summary: "diagonal blocks by exact least squares", source: "textbook")

    /// g; nil takes the fewest blocks that the budget allows.
    public var blocks: Int?

    public init(blocks: Int? = nil) { self.blocks = blocks }

    /// Cost: under activations about columns^3 / g^2 + rows columns^2 / g multiply-adds.
    /// - Throws: `FittingError` (`.indivisible` when `blocks` does not divide both sizes), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<BlockDiagonal> {
        try context.check(weight, objective)
        if let rowWeights = objective.rowWeights {
            return try fitScalingRows(weight, rowWeights, objective: objective, size: size, context: context)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let count = try BlockCount.smallest(
            within: size, shape: shape, blocks: blocks, family: BlockDiagonal.family, context: context
        ) { .factors(shape.count / $0, precision: context.precision) }
        let (blockRows, blockColumns) = (shape.rows / count, shape.columns / count)
        let weightedWeight = objective.gram.map {
            weight.converted(to: Double.self).multiplied(by: $0.matrix)
        }
        var values: [Float] = []
        for block in 0..<count {
            try context.checkCancellation()
            let (rows, columns) = (
                block * blockRows..<(block + 1) * blockRows, block * blockColumns..<(block + 1) * blockColumns
            )
            // One block is the weight itself, and so is any block that G does not see.
            guard count > 1, let gram = objective.gram, let weightedWeight else {
                values += weight.block(rows: rows, columns: columns).elements
                continue
            }
            let root = try SymmetricRoot(gram.matrix.block(rows: columns, columns: columns))
            let target = weightedWeight.block(rows: rows, columns: columns).transposed()
            values += root.solve(target).transposed().elements.map { Float($0) }
        }
        let matrix = BlockDiagonal(
            blocks: Factor(values, shape: [count, blockRows, blockColumns], precision: context.precision))
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }
}

/// The choice of a number of blocks that divides both sides of a matrix.
enum BlockCount {
    /// The fewest blocks within the budget, where cost falls with their number; or the given number.
    /// - Throws: `FittingError.indivisible`, `.budgetBelowMinimum`.
    static func smallest(
        within size: SizeBudget, shape: MatrixShape, blocks: Int?, family: Family, context: FitContext,
        cost: (Int) -> Cost
    ) throws -> Int {
        func divides(_ count: Int) -> Bool {
            count > 0 && shape.rows % count == 0 && shape.columns % count == 0
        }
        if let blocks, !divides(blocks) {
            throw FittingError.indivisible(
                matrix: context.name, family: family.name, shape: shape, blocks: blocks)
        }
        let candidates = blocks.map { [$0] } ?? (1...min(shape.rows, shape.columns)).filter(divides)
        guard let chosen = candidates.first(where: { size.allows(cost($0), shape: shape) }) else {
            throw FittingError.budgetBelowMinimum(
                matrix: context.name, family: family.name, shape: shape, budget: size,
                minimum: cost(candidates.last ?? 1))
        }
        return chosen
    }
}
