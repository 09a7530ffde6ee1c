import Foundation
import Fitting
import StructuredMatrices
import Tensors
import Testing

/// Block butterflies as products of block-diagonal factors between reorderings.
@Suite struct ButterflyFitterTests {
    /// Factors with 2 x 2 blocks of b x b numbers each, coupling blocks p and p + N / 2^t, straight from the definition.
    private func planted(blocks: Int, size: Int, seed: UInt64 = 1) -> Matrix {
        var generator = SeededGenerator(seed: seed)
        let n = blocks * size
        var product = Matrix.identity(n)
        var distance = blocks / 2
        while distance >= 1 {
            var factor = Matrix(rows: n, columns: n)
            for row in 0..<n {
                let block = row / size
                for other in [block, block ^ distance] {
                    for column in other * size..<(other + 1) * size { factor[row, column] = Float(generator.nextNormal()) }
                }
            }
            product = factor.multiplied(by: product)
            distance /= 2
        }
        return product
    }

    @Test(arguments: [(4, 3), (8, 2), (16, 1), (8, 4)])
    func plantedButterflyIsRecovered(blocks: Int, size: Int) throws {
        let weight = planted(blocks: blocks, size: size)
        let n = blocks * size
        let levels = blocks.trailingZeroBitCount
        for objective in try Instances.objectives(n) {
            let fit = try ButterflyFitter(blocks: blocks).fit(
                weight, objective: objective, size: .parameters(2 * n * size * levels))
            #expect(fit.relativeError < 1e-9)
            // 2 n b log2 N numbers and multiply-adds, in as many factors.
            #expect(fit.matrix.cost.parameters == 2 * n * size * levels)
            #expect(fit.matrix.cost.multiplyAdds == 2 * n * size * levels)
            #expect(fit.matrix.parts.count == levels)
            #expect(fit.matrix.parts.dropFirst().allSatisfy { $0 is PermutedBlockDiagonal } && fit.matrix.parts[0] is BlockDiagonal)
        }
    }

    /// Sylvester's Hadamard matrix: log2 n factors of 2 x 2 blocks, 2 n log2 n numbers.
    @Test(arguments: [4, 16, 64])
    func hadamardTransform(n: Int) throws {
        let matrix = Matrix(rows: n, columns: n) { ($0 & $1).nonzeroBitCount % 2 == 0 ? 1 : -1 }
        let levels = n.trailingZeroBitCount
        let fit = try ButterflyFitter(blocks: n).fit(matrix, objective: .frobenius, size: .parameters(2 * n * levels))
        #expect(fit.relativeError < 1e-10 && fit.matrix.parts.count == levels)
    }

    /// The DFT in real numbers with its outputs in bit-reversed order, as the fast transform leaves them: blocks of 2 x 2
    /// stand for complex numbers.
    @Test(arguments: [8, 16])
    func fastFourierTransform(n: Int) throws {
        let bits = n.trailingZeroBitCount
        let matrix = Matrix(rows: 2 * n, columns: 2 * n) { row, column in
            let frequency = (0..<bits).reduce(0) { $0 | ((row / 2) >> $1 & 1) << (bits - 1 - $1) }
            let angle = -2 * Double.pi * Double(frequency * (column / 2) % n) / Double(n)
            let (real, imaginary) = (cos(angle), sin(angle))
            switch (row % 2, column % 2) {
            case (0, 0), (1, 1): return Float(real)
            case (0, _): return Float(-imaginary)
            default: return Float(imaginary)
            }
        }
        let fit = try ButterflyFitter(blocks: n).fit(
            matrix, objective: .frobenius, size: .parameters(2 * 2 * n * 2 * bits))
        #expect(fit.relativeError < 1e-10)
    }

    /// Under activations the levels' sweeps count, and a rectangular weight has rectangular outer blocks.
    @Test(arguments: [(64, 64), (32, 64), (64, 32)])
    func weightedLevelsBeatPlainOnes(rows: Int, columns: Int) throws {
        let weight = try Instances.decaying(rows, columns)
        let objective = Objective.activations(try Instances.correlatedGram(columns))
        let plain = try ButterflyFitter().fit(weight, objective: .frobenius, size: .fraction(0.5))
        let weighted = try ButterflyFitter().fit(weight, objective: objective, size: .fraction(0.5))
        #expect(weighted.relativeError < 0.9 * (try objective.error(of: plain.matrix.dense(), for: weight)))
    }

    @Test func wrongCountsAreRefused() throws {
        let weight = Instances.random(12, 20)
        let shape = MatrixShape(rows: 12, columns: 20)
        #expect(throws: FittingError.indivisible(matrix: "matrix", family: "product", shape: shape, blocks: 8)) {
            try ButterflyFitter(blocks: 8).fit(weight, objective: .frobenius, size: .fraction(1))
        }
        #expect(
            throws: FittingError.invalidOption(
                fitter: "butterfly", option: "blocks", expected: "a power of two, 4 or more", got: 6)
        ) { try ButterflyFitter(blocks: 6).fit(weight, objective: .frobenius, size: .fraction(1)) }
    }
}
