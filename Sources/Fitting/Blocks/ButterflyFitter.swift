import LinearAlgebra
import StructuredMatrices
import Tensors

/// Block butterfly: log2 N sparse factors, the t-th of which couples blocks p and p + N / 2^t of every group of N / 2^(t-1)
/// blocks, each output of such a pair being b x b blocks of both. FFT, Hadamard and other fast transforms are members.
///
/// The product is a composition: every factor is block-diagonal between two reorderings, the last one without. It is fitted
/// from the inputs on: the outputs of either half of a group see a pair of blocks through b features only, so that the
/// factor of a level is a Monarch fit of rank b (two output groups, pairs as input blocks), whose left part is the next
/// level's weight under the features' own second moments. A matrix that is a butterfly is recovered exactly.
public struct ButterflyFitter: Fitter {
    public static let method = FittingMethod(
        name: "butterfly", family: MatrixProduct.family, objectives: [.frobenius, .activations],
        summary: "log2 N factors that couple pairs of blocks, level after level by Monarch's sweeps",
        source: "block butterflies as in Monarch, arXiv 2204.00595; the fit is this project's")

    /// N, a power of two from 4 on that divides both sides; nil tries 4 to 64 and keeps the best.
    public var blocks: Int?
    /// Of every level, under activations.
    public var sweeps: Int

    public init(blocks: Int? = nil, sweeps: Int = 6) { (self.blocks, self.sweeps) = (blocks, sweeps) }

    /// Cost: as `MonarchFitter` with two groups, on half the size from level to level.
    /// - Throws: `FittingError` (`.indivisible` where N does not divide both sides), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixProduct> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        if let blocks, blocks < 4 || blocks & (blocks - 1) != 0 {
            throw Self.invalid("blocks", "a power of two, 4 or more", blocks)
        }
        let counts = (blocks.map { [$0] } ?? [4, 8, 16, 32, 64]).filter { shape.rows % $0 == 0 && shape.columns % $0 == 0 }
        guard !counts.isEmpty else {
            throw FittingError.indivisible(
                matrix: context.name, family: MatrixProduct.family.name, shape: shape, blocks: blocks ?? 4)
        }
        let gram = try objective.reduced(to: Self.method.objectives).gram
        var best: Fit<MatrixProduct>?
        var refusal: (any Error)?
        for count in counts {
            do {
                let layout = try ButterflyLayout(
                    within: size, shape: shape, blocks: count, precision: context.precision, matrix: context.name)
                var problem = ButterflyProblem(layout: layout, sweeps: sweeps, context: context)
                try problem.factorise(weight.converted(to: Double.self), gram?.matrix, level: 0)
                let fit = try Fit(
                    measuring: layout.product(of: problem.blocks), for: weight, objective: objective, context: context)
                if let best, best.relativeError <= fit.relativeError { continue }
                best = fit
            } catch FittingError.budgetBelowMinimum(let matrix, let family, let shape, let budget, let minimum) {
                refusal = refusal ?? FittingError.budgetBelowMinimum(
                    matrix: matrix, family: family, shape: shape, budget: budget, minimum: minimum)
            }
        }
        if let best { return best }
        throw refusal ?? FittingError.emptyWeight(matrix: context.name, shape: shape)
    }
}

/// The blocks of every level as they are found.
private struct ButterflyProblem {
    let layout: ButterflyLayout
    let sweeps: Int
    let context: FitContext
    /// By level, in the order of groups and pairs.
    private(set) var blocks: [[DoubleMatrix]]

    init(layout: ButterflyLayout, sweeps: Int, context: FitContext) {
        (self.layout, self.sweeps, self.context) = (layout, sweeps, context)
        blocks = Array(repeating: [], count: layout.levels)
    }

    /// Fits a group of one level and what follows it; groups come in order, so that blocks do.
    /// - Parameters:
    ///   - weight: the group's outputs x its inputs or features.
    ///   - gram: of these; nil for the identity.
    mutating func factorise(_ weight: DoubleMatrix, _ gram: DoubleMatrix?, level: Int) throws {
        try context.checkCancellation()
        let count = layout.blocks >> level
        guard count > 2 else {
            blocks[level].append(weight)
            return
        }
        let (pairs, width, rank) = (count / 2, weight.columns / count, layout.rank)
        let places = ButterflyLayout.pairing(blocks: count, width: width)
        let sorted = DoubleMatrix(rows: weight.rows, columns: weight.columns) { weight[$0, places[$1]] }
        let moments = try gram.map { gram in
            try Gram(
                DoubleMatrix(rows: gram.rows, columns: gram.columns) { gram[places[$0], places[$1]] }, relativeDamping: 0)
        }
        let projection = try MonarchProjection(moments, blocks: pairs)
        let halves = try (0..<2).map { half -> MonarchGroup in
            let rows = sorted.block(
                rows: half * sorted.rows / 2..<(half + 1) * sorted.rows / 2, columns: 0..<sorted.columns)
            let start = try projection(rows, rank: rank)
            guard let moments else { return start }
            let weighted = rows.multiplied(by: moments.matrix)
            let norm = rows.innerProduct(weighted)
            guard norm > 0, sweeps > 0 else { return start }
            var sweeper = try MonarchSweeper(rows, gram: moments, squaredNorm: norm, blocks: pairs, start: start)
            for _ in 0..<sweeps {
                try context.checkCancellation()
                _ = try sweeper.sweep()
            }
            return try sweeper.group(weighted: weighted)
        }
        for pair in 0..<pairs {
            var block = DoubleMatrix(rows: 2 * rank, columns: 2 * width)
            for (half, group) in halves.enumerated() {
                block.setBlock(
                    group.right.block(rows: pair * rank..<(pair + 1) * rank, columns: 0..<2 * width), row: half * rank,
                    column: 0)
            }
            blocks[level].append(block)
        }
        for group in halves {
            try factorise(group.left, Self.featureMoments(group.right, moments?.matrix, pairs: pairs), level: level + 1)
        }
    }

    /// Z G Z^T of the features of one half, Z having the pairs' rows of `right` along its diagonal.
    private static func featureMoments(_ right: DoubleMatrix, _ gram: DoubleMatrix?, pairs: Int) -> DoubleMatrix {
        let (rank, width) = (right.rows / pairs, right.columns)
        var result = DoubleMatrix(rows: right.rows, columns: right.rows)
        for first in 0..<pairs {
            let factor = right.block(rows: first * rank..<(first + 1) * rank, columns: 0..<width)
            for second in 0..<pairs where gram != nil || first == second {
                let other = right.block(rows: second * rank..<(second + 1) * rank, columns: 0..<width)
                let image =
                    gram.map {
                        factor.multiplied(
                            by: $0.block(
                                rows: first * width..<(first + 1) * width, columns: second * width..<(second + 1) * width))
                    } ?? factor
                result.setBlock(
                    image.multiplied(by: other, transposeOther: true), row: first * rank, column: second * rank)
            }
        }
        return result
    }
}
