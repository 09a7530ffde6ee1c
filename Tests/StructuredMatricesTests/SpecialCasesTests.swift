import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// Each family against its definition, written out in loops, and against the families it contains.
@Suite struct SpecialCasesTests {
    private static func factor(_ shape: [Int], seed: UInt64) -> Factor {
        var generator = SeededGenerator(seed: seed)
        return .random(shape, .f32, &generator)
    }

    private static func expectEqual(
        _ got: Matrix, _ expected: Matrix, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect((got - expected).squaredNorm <= 1e-11 * expected.squaredNorm, sourceLocation: sourceLocation)
    }

    @Test(arguments: [(5, 3, 2, true), (5, 3, 2, false), (2, 7, 1, true), (1, 1, 4, true)])
    func monarchByItsDefinition(blocks: Int, groups: Int, rank: Int, strided: Bool) throws {
        let (width, height) = (4, 6)
        let monarch = Monarch(
            right: Self.factor([blocks, groups * rank, width], seed: 1),
            left: Self.factor([groups, height, blocks * rank], seed: 2), strided: strided)
        let x = Self.factor([2, blocks * width], seed: 3).matrix
        var expected = Matrix(rows: 2, columns: groups * height)
        for row in 0..<2 {
            for group in 0..<groups {
                for position in 0..<height {
                    var sum: Float = 0
                    for block in 0..<blocks {
                        for component in 0..<rank {
                            var hidden: Float = 0
                            for column in 0..<width {
                                hidden +=
                                    monarch.right.values[
                                        (block * groups * rank + group * rank + component) * width + column]
                                    * x[row, block * width + column]
                            }
                            sum +=
                                hidden
                                * monarch.left.values[
                                    (group * height + position) * blocks * rank + block * rank + component]
                        }
                    }
                    expected[row, strided ? position * groups + group : group * height + position] = sum
                }
            }
        }
        Self.expectEqual(try monarch.multiply(x), expected)
    }

    /// The card's steps one by one: block-diagonal, transposition, block-diagonal, transposition back. Block
    /// counts that do not divide the hidden width per block are included (35 x 21 in 7, 6 x 10 in 2).
    @Test(arguments: [(12, 18, 3), (18, 12, 3), (35, 21, 7), (6, 10, 2), (8, 8, 4)])
    func blockShuffleByItsDefinition(rows: Int, columns: Int, blocks: Int) throws {
        let size = min(rows, columns) / blocks
        let matrix = BlockShuffle(
            first: Self.factor([blocks, size, columns / blocks], seed: 1),
            second: Self.factor([blocks, rows / blocks, size], seed: 2))
        let x = Self.factor([3, columns], seed: 3).matrix
        let hidden = try BlockDiagonal(blocks: matrix.first).multiply(x)
        let shuffled = Matrix(rows: 3, columns: blocks * size) { hidden[$0, $1 % size * blocks + $1 / size] }
        let grouped = try BlockDiagonal(blocks: matrix.second).multiply(shuffled)
        let height = rows / blocks
        let expected = Matrix(rows: 3, columns: rows) { grouped[$0, $1 % blocks * height + $1 / blocks] }
        Self.expectEqual(try matrix.multiply(x), expected)
        #expect(matrix.cost.parameters == min(rows, columns) * (rows + columns) / blocks)
    }

    @Test func blastByItsDefinition() {
        let blast = BLAST(
            u: Self.factor([3, 2, 4], seed: 1), s: Self.factor([3, 3, 4], seed: 2),
            v: Self.factor([3, 5, 4], seed: 3))
        let expected = Matrix(rows: 6, columns: 15) { row, column in
            (0..<4).reduce(0) { sum, component in
                sum + blast.u.values[row * 4 + component]
                    * blast.s.values[(row / 2 * 3 + column / 5) * 4 + component]
                    * blast.v.values[column * 4 + component]
            }
        }
        Self.expectEqual(blast.dense(), expected)
        #expect(blast.cost.multiplyAdds == 4 * (6 + 15 + 9))
    }

    @Test func blastWithOnesIsLowRank() {
        let (u, v) = (Self.factor([4, 3, 5], seed: 1), Self.factor([4, 6, 5], seed: 2))
        let blast = BLAST(u: u, s: Factor([Float](repeating: 1, count: 80), shape: [4, 4, 5]), v: v)
        Self.expectEqual(blast.dense(), LowRank(u: u.matrix, v: v.matrix.transposed()).dense())
    }

    @Test func blastWithoutOffDiagonalIsBlockDiagonal() {
        let (u, v) = (Self.factor([4, 3, 5], seed: 1), Self.factor([4, 6, 5], seed: 2))
        let s = (0..<4).flatMap { row in (0..<4).flatMap { [Float](repeating: row == $0 ? 1 : 0, count: 5) } }
        var blocks: [Float] = []
        for block in 0..<4 {
            let left = u.matrix.block(rows: block * 3..<block * 3 + 3, columns: 0..<5)
            let right = v.matrix.block(rows: block * 6..<block * 6 + 6, columns: 0..<5)
            blocks += left.multiplied(by: right, transposeOther: true).elements
        }
        Self.expectEqual(
            BLAST(u: u, s: Factor(s, shape: [4, 4, 5]), v: v).dense(),
            BlockDiagonal(blocks: Factor(blocks, shape: [4, 3, 6])).dense())
    }

    @Test func oneBlockShuffleIsDenseTimesDense() {
        let (first, second) = (Self.factor([1, 6, 6], seed: 1), Self.factor([1, 9, 6], seed: 2))
        Self.expectEqual(
            BlockShuffle(first: first, second: second).dense(), second.matrix.multiplied(by: first.matrix))
    }

    @Test func oneBlockDenseIsLowRank() {
        let (first, second) = (Self.factor([1, 4, 10], seed: 1), Self.factor([7, 4], seed: 2))
        let lowRank = LowRank(u: second.matrix, v: first.matrix)
        Self.expectEqual(BlockDense(first: first, second: second).dense(), lowRank.dense())
        #expect(BlockDense(first: first, second: second).cost == lowRank.cost)
    }

    @Test func blockDiagonalIsZeroOffTheDiagonal() {
        let matrix = BlockDiagonal(blocks: Self.factor([3, 2, 4], seed: 1)).dense()
        for row in 0..<6 {
            for column in 0..<12 { #expect((matrix[row, column] == 0) == (row / 2 != column / 4)) }
        }
    }

    /// The 16 x 16 Hadamard matrix is H4 (x) H4: exactly a Monarch matrix of 4 blocks and rank 1.
    @Test func hadamardIsAMonarchMatrix() throws {
        let four = Matrix(rows: 4, columns: 4) { ($0 & $1).nonzeroBitCount % 2 == 0 ? 1 : -1 }
        let monarch = Monarch(
            right: Factor((0..<4).flatMap { _ in four.elements }, shape: [4, 4, 4]),
            left: Factor((0..<4).flatMap { _ in four.elements }, shape: [4, 4, 4]))
        let sixteen = Matrix(rows: 16, columns: 16) { ($0 & $1).nonzeroBitCount % 2 == 0 ? 1 : -1 }
        #expect(monarch.dense() == sixteen)
        #expect(try monarch.multiply(sixteen) == Matrix(rows: 16, columns: 16) { $0 == $1 ? 16 : 0 })
        #expect(monarch.cost.multiplyAdds == 128)
    }

    /// A (x) B with A rows x k and B j x i has rank-1 blocks: left[g][p][b] = A[p, b], right[b][g] = B[g, :].
    @Test func kroneckerProductsAreMonarchMatrices() {
        let (a, b) = (Self.factor([3, 5], seed: 1).matrix, Self.factor([4, 2], seed: 2).matrix)
        let monarch = Monarch(
            right: Factor((0..<5).flatMap { _ in b.elements }, shape: [5, 4, 2]),
            left: Factor((0..<4).flatMap { _ in a.elements }, shape: [4, 3, 5]))
        #expect(monarch.dense() == Matrix(rows: 12, columns: 10) { a[$0 / 4, $1 / 2] * b[$0 % 4, $1 % 2] })
    }
}
