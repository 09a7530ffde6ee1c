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

    /// Input blocks and output groups worth trying. One output group lets every input block keep directions
    /// of its own, which fits the wide second matrices of feed-forward layers best; equal counts are the
    /// paper's.
    private static let counts = [(2, 1), (4, 1), (8, 1), (16, 1), (2, 2), (4, 4)]

    /// The layouts that divide the shape and fit the budget, each with its largest rank (at most that of a
    /// dense block); low-rank, the layout of one block, when no other does. Never empty.
    /// - Throws: `FittingError.indivisible` for given counts, `.budgetBelowMinimum`.
    package static func layouts(
        within size: SizeBudget, shape: MatrixShape, inputBlocks: Int?, outputGroups: Int?,
        precision: Precision,
        matrix: String
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
