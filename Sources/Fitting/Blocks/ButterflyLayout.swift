import LinearAlgebra
import StructuredMatrices
import Tensors

/// The integers that fix a block butterfly.
package struct ButterflyLayout: Sendable {
    package let shape: MatrixShape
    /// N and b.
    package let (blocks, rank): (Int, Int)
    package let precision: Precision

    /// log2 N.
    package var levels: Int { blocks.trailingZeroBitCount }

    /// The largest b within the budget, at most that of a block.
    /// - Throws: `FittingError.budgetBelowMinimum`.
    init(within size: SizeBudget, shape: MatrixShape, blocks: Int, precision: Precision, matrix: String) throws {
        (self.shape, self.blocks, self.precision) = (shape, blocks, precision)
        rank = try size.largest(
            in: 1...min(shape.rows, shape.columns) / blocks, family: MatrixProduct.family, shape: shape, matrix: matrix
        ) { Self.cost(shape: shape, blocks: blocks, rank: $0, precision: precision) }
    }

    /// 2 b (rows + columns) + 2 (log2 N - 2) N b^2 numbers and multiply-adds, and the orders.
    package static func cost(shape: MatrixShape, blocks: Int, rank: Int, precision: Precision) -> Cost {
        func coupling(_ rows: Int, _ columns: Int) -> Cost {
            PermutedBlockDiagonal.cost(
                shape: MatrixShape(rows: rows, columns: columns), blocks: blocks / 2, precision: precision)
        }
        let inner = blocks * rank
        var cost = coupling(inner, shape.columns) + .factors(2 * rank * shape.rows, precision: precision)
        for _ in 2..<max(2, blocks.trailingZeroBitCount) { cost = cost + coupling(inner, inner) }
        return cost
    }

    /// - Precondition: N a power of two from 4 on that divides both sides, b at most the rows and the columns of a block.
    package init(shape: MatrixShape, blocks: Int, rank: Int, precision: Precision) {
        (self.shape, self.blocks, self.rank, self.precision) = (shape, blocks, rank, precision)
    }

    /// Of each of a level's N / 2 blocks: both halves' features x those of a pair, outputs in the last level.
    package func blockShape(level: Int) -> MatrixShape {
        MatrixShape(
            rows: level == levels - 1 ? 2 * shape.rows / blocks : 2 * rank,
            columns: level == 0 ? 2 * shape.columns / blocks : 2 * rank)
    }

    /// Features in the order of pairs: those of blocks p and p + count / 2 next to each other.
    static func pairing(blocks count: Int, width: Int) -> [Int] {
        (0..<count / 2).flatMap { pair in
            [pair, pair + count / 2].flatMap { block in block * width..<(block + 1) * width }
        }
    }

    /// The factors of all levels, the last level's first.
    /// - Parameter blocks: by level, in the order of groups and pairs.
    /// - Throws: `StructuredMatrixError`.
    package func product(of blocks: [[DoubleMatrix]]) throws -> MatrixProduct {
        var factors: [any StructuredMatrix] = []
        for (level, blocks) in blocks.enumerated() {
            let (rows, columns) = (blocks[0].rows, blocks[0].columns)
            let values = Factor(
                blocks.flatMap { $0.elements.map { Float($0) } }, shape: [blocks.count, rows, columns],
                precision: precision)
            guard level < levels - 1 else {
                factors.insert(BlockDiagonal(blocks: values), at: 0)
                break
            }
            /// Every group of the level has its own pairs.
            func order(_ width: Int) -> Permutation? {
                let count = self.blocks >> level
                let pairing = Self.pairing(blocks: count, width: width)
                return Permutation((0..<1 << level).flatMap { group in pairing.map { group * count * width + $0 } })
            }
            guard let rowOrder = order(rows / 2), let columnOrder = order(columns / 2) else { continue }
            factors.insert(PermutedBlockDiagonal(blocks: values, rowOrder: rowOrder, columnOrder: columnOrder), at: 0)
        }
        return try MatrixProduct(factors)
    }
}
