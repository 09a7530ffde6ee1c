import StructuredMatrices
import Tensors

/// The integers that fix a Monarch matrix of a given shape.
package struct MonarchLayout: Sendable, Equatable {
    package let inputBlocks: Int
    package let outputGroups: Int
    package let rank: Int
}

extension Monarch {
    package static func cost(
        shape: MatrixShape, inputBlocks: Int, outputGroups: Int, rank: Int, precision: Precision
    ) -> Cost {
        .factors(rank * (outputGroups * shape.columns + inputBlocks * shape.rows), precision: precision)
    }

    /// Input blocks and output groups worth trying, few blocks first. One output group lets every input block keep directions
    /// of its own, which fits trained weights best: many blocks where there are more inputs than outputs, one (which is
    /// low-rank) where there are far fewer: on MiniLM's 1536 x 384 matrices two blocks end 3 - 9 % above low-rank from
    /// whatever start, for a middle a tenth wider does not make up for directions that see half of the inputs each, and
    /// more blocks or groups end farther above. Equal counts are the paper's.
    static let counts =
        [1, 2, 3, 4, 6, 8, 12, 16].map { (inputBlocks: $0, outputGroups: 1) }
        + [(inputBlocks: 1, outputGroups: 2), (inputBlocks: 2, outputGroups: 2), (inputBlocks: 4, outputGroups: 4)]

    /// The layouts among `counts` that divide the shape and fit the budget, each with its largest rank (at most that of a
    /// dense block), in the order of `counts`; low-rank, the layout of one block, when none does. Never empty.
    /// - Throws: `FittingError.indivisible` for given counts, `.budgetBelowMinimum`.
    static func layouts(
        within size: SizeBudget, shape: MatrixShape, inputBlocks: Int?, outputGroups: Int?,
        counts: [(inputBlocks: Int, outputGroups: Int)], precision: Precision, matrix: String
    ) throws -> [MonarchLayout] {
        for (count, extent) in [(inputBlocks, shape.columns), (outputGroups, shape.rows)] {
            if let count, count < 1 || extent % count != 0 {
                throw FittingError.indivisible(
                    matrix: matrix, family: family.name, shape: shape, blocks: count)
            }
        }
        func layout(_ blocks: Int, _ groups: Int) throws -> MonarchLayout {
            let largest = max(1, min(shape.rows / groups, shape.columns / blocks))
            let rank = try size.largest(in: 1...largest, family: family, shape: shape, matrix: matrix) {
                cost(shape: shape, inputBlocks: blocks, outputGroups: groups, rank: $0, precision: precision)
            }
            return MonarchLayout(inputBlocks: blocks, outputGroups: groups, rank: rank)
        }
        var layouts: [MonarchLayout] = []
        for (blocks, groups) in counts.map({ (inputBlocks ?? $0, outputGroups ?? $1) })
        where shape.columns % blocks == 0 && shape.rows % groups == 0 {
            guard let layout = try? layout(blocks, groups), !layouts.contains(layout) else { continue }
            layouts.append(layout)
        }
        return layouts.isEmpty ? [try layout(inputBlocks ?? 1, outputGroups ?? 1)] : layouts
    }
}
