import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

@Suite struct BlockDiagonalFitterTests {
    @Test func plantedBlocksAreRecovered() throws {
        let planted = BlockDiagonal(blocks: Factor(Instances.random(12, 5).elements, shape: [3, 4, 5]))
        for objective in try Instances.objectives(15) {
            let fit = try BlockDiagonalFitter().fit(
                planted.dense(), objective: objective, size: .parameters(60))
            #expect(fit.matrix.blockCount == 3)
            #expect(fit.relativeError < 1e-10)
        }
    }

    @Test func leastSquaresBeatDroppingAndAreTheBest() throws {
        let weight = Instances.random(24, 32)
        let objective = try Instances.objectives(32)[1]
        let fitter = BlockDiagonalFitter(blocks: 4)
        let weighted = try fitter.fit(weight, objective: objective, size: .fraction(0.25))
        let dropped = try fitter.fit(weight, objective: .frobenius, size: .fraction(0.25)).matrix
        #expect(weighted.relativeError < (try objective.error(of: dropped.dense(), for: weight)))
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<50 {
            let moved = weighted.matrix.replacingFactors(
                [weighted.matrix.blocks.values.map { $0 + Float(0.01 * generator.nextNormal()) }])
            #expect(try objective.error(of: moved.dense(), for: weight) > weighted.relativeError)
        }
    }

    @Test func identityGramDropsTheRest() throws {
        let weight = Instances.random(8, 12)
        let fitter = BlockDiagonalFitter(blocks: 4)
        let plain = try fitter.fit(weight, objective: .frobenius, size: .fraction(0.25)).matrix.dense()
        let weighted = try fitter.fit(
            weight, objective: .activations(try Gram(.identity(12))), size: .fraction(0.25)
        )
        .matrix.dense()
        #expect((plain - weighted).squaredNorm < 1e-10)
        for row in 0..<8 {
            for column in 0..<12 {
                #expect(plain[row, column] == (row / 2 == column / 3 ? weight[row, column] : 0))
            }
        }
    }

    @Test func blocksFollowTheBudget() throws {
        let weight = Instances.random(12, 18)
        for (fraction, blocks) in [(1.0, 1), (0.5, 2), (0.4, 3), (0.2, 6)] {
            let fit = try BlockDiagonalFitter().fit(weight, objective: .frobenius, size: .fraction(fraction))
            #expect(fit.matrix.blockCount == blocks)
        }
        let shape = MatrixShape(rows: 12, columns: 18)
        #expect(
            throws: FittingError.budgetBelowMinimum(
                matrix: "matrix", family: "block-diagonal", shape: shape, budget: .fraction(0.1),
                minimum: Cost(parameters: 36, storedBytes: 144, multiplyAdds: 36))
        ) { try BlockDiagonalFitter().fit(weight, objective: .frobenius, size: .fraction(0.1)) }
        #expect(
            throws: FittingError.indivisible(
                matrix: "matrix", family: "block-diagonal", shape: shape, blocks: 4)
        ) {
            try BlockDiagonalFitter(blocks: 4).fit(weight, objective: .frobenius, size: .fraction(0.5))
        }
    }
}

@Suite struct BlockShuffleFitterTests {
    static func planted(rows: Int, columns: Int, blocks: Int) -> BlockShuffle {
        let size = min(rows, columns) / blocks
        return BlockShuffle(
            first: Factor(
                Instances.random(blocks * size, columns / blocks, seed: 1).elements,
                shape: [blocks, size, columns / blocks]),
            second: Factor(
                Instances.random(rows, size, seed: 2).elements, shape: [blocks, rows / blocks, size]))
    }

    // 12 / 3 and 18 / 6 are no multiples of the blocks: ranks differ between blocks.
    @Test(arguments: [(16, 32, 4), (32, 16, 2), (12, 18, 3), (18, 24, 6)])
    func plantedMatrixIsRecovered(rows: Int, columns: Int, blocks: Int) throws {
        let planted = Self.planted(rows: rows, columns: columns, blocks: blocks)
        for objective in try Instances.objectives(columns) {
            let fit = try BlockShuffleFitter(blocks: blocks).fit(
                planted.dense(), objective: objective, size: .parameters(planted.cost.parameters))
            #expect(fit.matrix.cost == planted.cost)
            #expect(fit.relativeError < 1e-10)
        }
    }

    @Test(arguments: [(32, 32, 4), (24, 36, 3)])
    func weightedFitBeatsTheProjection(rows: Int, columns: Int, blocks: Int) throws {
        let weight = Instances.random(rows, columns)
        let objective = try Instances.objectives(columns)[1]
        let fitter = BlockShuffleFitter(blocks: blocks)
        let projection = try fitter.fit(weight, objective: .frobenius, size: .fraction(1)).matrix
        let fit = try fitter.fit(weight, objective: objective, size: .fraction(1))
        #expect(fit.relativeError < 0.95 * (try objective.error(of: projection.dense(), for: weight)))
        for (earlier, later) in zip(fit.trace, fit.trace.dropFirst()) { #expect(later <= earlier) }
    }
}

@Suite struct BlockDenseFitterTests {
    @Test func plantedMatrixIsRecovered() throws {
        let planted = BlockDense(
            first: Factor(Instances.random(8, 6, seed: 1).elements, shape: [4, 2, 6]),
            second: Factor(Instances.random(20, 8, seed: 2)))
        for objective in try Instances.objectives(24) {
            let fit = try BlockDenseFitter().fit(
                planted.dense(), objective: objective, size: .parameters(planted.cost.parameters))
            #expect(fit.matrix.blocks == 4 && fit.matrix.rank == 8)
            #expect(fit.relativeError < 1e-10)
        }
    }

    @Test func isTheMonarchMatrixWithOneGroup() throws {
        let weight = Instances.random(24, 32)
        for objective in try Instances.objectives(32) {
            let dense = try BlockDenseFitter(blocks: 4).fit(
                weight, objective: objective, size: .fraction(0.5))
            let monarch = try MonarchFitter(inputBlocks: 4, outputGroups: 1)
                .fit(weight, objective: objective, size: .fraction(0.5))
            #expect(abs(dense.relativeError - monarch.relativeError) < 1e-6)
            #expect(dense.matrix.cost == monarch.matrix.cost)
        }
    }

    @Test func errorsNameTheFamily() throws {
        let shape = MatrixShape(rows: 6, columns: 10)
        #expect(
            throws: FittingError.indivisible(matrix: "matrix", family: "block-dense", shape: shape, blocks: 3)
        ) {
            try BlockDenseFitter(blocks: 3).fit(
                Instances.random(6, 10), objective: .frobenius, size: .fraction(0.5))
        }
        #expect(
            throws: FittingError.invalidOption(
                fitter: "block-dense", option: "sweeps", expected: "0 or more", got: -2)
        ) {
            try BlockDenseFitter(sweeps: -2).fit(
                Instances.random(6, 10), objective: .frobenius, size: .fraction(0.9))
        }
    }
}
