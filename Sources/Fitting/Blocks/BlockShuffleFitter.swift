import LinearAlgebra
import StructuredMatrices
import Tensors

/// BlockShuffle seen as a B x B grid of low-rank blocks: its two shuffles make it a Monarch matrix of strided
/// groups whose blocks have ranks h / B^2, or one more or less where that is no integer. Under Frobenius
/// every block by its SVD, which is globally optimal; under activations by Monarch's sweeps, or where ranks
/// differ by gradient refinement from the block-whitened SVDs.
public struct BlockShuffleFitter: Fitter {
    public static let method = FittingMethod(
        name: "block-shuffle", family: BlockShuffle.family, objectives: Objective.Kind.allCases,
        summary: "two shuffled block-diagonal factors, by block SVDs and gradient refinement",
        source: "StructuredFFN, arXiv 2406.16450; the fit is this project's")

    /// B; nil takes the fewest blocks that the budget allows.
    public var blocks: Int?
    /// Of Monarch, at most.
    public var sweeps: Int
    /// For blocks of unequal ranks.
    public var refinement: GradientRefinement

    public init(blocks: Int? = nil, sweeps: Int = 30, refinement: GradientRefinement = GradientRefinement()) {
        self.blocks = blocks
        self.sweeps = sweeps
        self.refinement = refinement
    }

    /// Cost: B^2 block SVDs, and Monarch's sweeps or the refinement's iterations.
    /// - Throws: `FittingError` (`.indivisible` when `blocks` does not divide both sizes), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<BlockShuffle> {
        try context.check(weight, objective)
        if let rowWeights = objective.rowWeights {
            return try fitScalingRows(weight, rowWeights, objective: objective, size: size, context: context)
        }
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let hidden = min(shape.rows, shape.columns)
        let count = try BlockCount.smallest(
            within: size, shape: shape, blocks: blocks, family: BlockShuffle.family, context: context
        ) { .factors(hidden / $0 * (shape.rows + shape.columns), precision: context.precision) }
        if objective.gram != nil, count > 1, hidden / count % count == 0 {
            return try sweptFit(weight, objective: objective, blocks: count, context: context)
        }
        let projected = try projection(weight, objective.gram, blocks: count, context: context)
        func stored(_ matrix: BlockShuffle) -> BlockShuffle {
            BlockShuffle(
                first: Factor(matrix.first.values, shape: matrix.first.shape, precision: context.precision),
                second: Factor(matrix.second.values, shape: matrix.second.shape, precision: context.precision)
            )
        }
        let start = try Fit(measuring: stored(projected), for: weight, objective: objective, context: context)
        // One block is the weight itself.
        guard objective.gram != nil, count > 1, start.relativeError > 0 else { return start }
        let refined = try refinement.refine(projected, toward: weight, objective: objective, context: context)
        let fit = try Fit(
            measuring: stored(refined.matrix), for: weight, objective: objective, context: context,
            trace: refined.trace)
        return fit.relativeError <= start.relativeError ? fit : start
    }

    /// Row g r + t of a Monarch matrix's right block is row t B + g here; the left blocks are the same.
    private func sweptFit(
        _ weight: Matrix, objective: Objective, blocks: Int, context: FitContext
    ) throws -> Fit<BlockShuffle> {
        let size = min(weight.rows, weight.columns) / blocks
        let (rank, blockColumns) = (size / blocks, weight.columns / blocks)
        let monarch = try MonarchFitter(
            inputBlocks: blocks, outputGroups: blocks, grouping: .strided, sweeps: sweeps
        ).fit(
            weight, objective: objective, size: .parameters(size * (weight.rows + weight.columns)),
            context: context)
        let right = monarch.matrix.right.matrix
        let first = Matrix(rows: blocks * size, columns: blockColumns) { row, column in
            let (block, feature) = row.quotientAndRemainder(dividingBy: size)
            return right[block * size + feature % blocks * rank + feature / blocks, column]
        }
        let matrix = BlockShuffle(
            first: Factor(first.elements, shape: [blocks, size, blockColumns], precision: context.precision),
            second: Factor(
                monarch.matrix.left.values, shape: [blocks, weight.rows / blocks, size],
                precision: context.precision))
        return try Fit(
            measuring: matrix, for: weight, objective: objective, context: context, trace: monarch.trace)
    }

    /// Hidden feature f lies in block f / size of the first factor and in block f mod B of the second, as
    /// component f / B.
    private func projection(
        _ weight: Matrix, _ gram: Gram?, blocks: Int, context: FitContext
    ) throws -> BlockShuffle {
        let size = min(weight.rows, weight.columns) / blocks
        let (blockRows, blockColumns) = (weight.rows / blocks, weight.columns / blocks)
        var first = [Float](repeating: 0, count: blocks * size * blockColumns)
        var second = [Float](repeating: 0, count: blocks * blockRows * size)
        for block in 0..<blocks {
            try context.checkCancellation()
            let columns = block * blockColumns..<(block + 1) * blockColumns
            let root = try gram.map {
                try SymmetricRoot($0.matrix.block(rows: columns, columns: columns)).factor
            }
            for group in 0..<blocks {
                let features = (block * size..<(block + 1) * size).filter { $0 % blocks == group }
                guard !features.isEmpty else { continue }
                let piece = DoubleMatrix(rows: blockRows, columns: blockColumns) {
                    Double(weight[$0 * blocks + group, columns.lowerBound + $1])
                }
                let left = try SingularValues(root.map { piece.multiplied(by: $0) } ?? piece)
                    .truncated(to: features.count).u
                var factors = MonarchGroup(left: left, right: left.multiplied(by: piece, transposeSelf: true))
                factors.rebalance()
                for (component, feature) in features.enumerated() where component < left.columns {
                    for column in 0..<blockColumns {
                        first[feature * blockColumns + column] = Float(factors.right[component, column])
                    }
                    for row in 0..<blockRows {
                        second[(group * blockRows + row) * size + feature / blocks] = Float(
                            factors.left[row, component])
                    }
                }
            }
        }
        return BlockShuffle(
            first: Factor(first, shape: [blocks, size, blockColumns]),
            second: Factor(second, shape: [blocks, blockRows, size]))
    }
}
