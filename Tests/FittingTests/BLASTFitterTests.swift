import Fitting
import LinearAlgebra
import StructuredMatrices
import Synchronization
import Tensors
import Testing

@Suite struct BLASTFitterTests {
    static func planted(rows: Int, columns: Int, blocks: Int, rank: Int) -> BLAST {
        BLAST(
            u: Factor(Instances.random(rows, rank, seed: 1).elements, shape: [blocks, rows / blocks, rank]),
            s: Factor(
                Instances.random(blocks * blocks, rank, seed: 2).elements, shape: [blocks, blocks, rank]),
            v: Factor(
                Instances.random(columns, rank, seed: 3).elements, shape: [blocks, columns / blocks, rank]))
    }

    @Test(arguments: [(64, 64, 4, 4), (48, 96, 4, 3), (96, 48, 2, 6)])
    func plantedMatrixIsRecovered(rows: Int, columns: Int, blocks: Int, rank: Int) throws {
        let planted = Self.planted(rows: rows, columns: columns, blocks: blocks, rank: rank)
        for objective in try Instances.objectives(columns) {
            let fit = try BLASTFitter(blocks: blocks, sweeps: 300, tolerance: 0).fit(
                planted.dense(), objective: objective, size: .parameters(2 * planted.cost.parameters))
            #expect(fit.matrix.rank == 2 * rank)
            #expect(fit.relativeError < 1e-6, "\(objective.kind)")
        }
    }

    @Test func lowRankAndBlockDiagonalMembersAreExact() throws {
        let lowRank = Instances.lowRank(32, 32, rank: 4)
        var blockDiagonal = Instances.random(32, 32)
        for row in 0..<32 {
            for column in 0..<32 where row / 8 != column / 8 { blockDiagonal[row, column] = 0 }
        }
        for (weight, rank) in [(lowRank, 4), (blockDiagonal, 32)] {
            for objective in try Instances.objectives(32) {
                let fit = try BLASTFitter(blocks: 4).fit(
                    weight, objective: objective, size: .parameters(rank * (64 + 16)))
                #expect(fit.relativeError < 1e-9)
            }
        }
    }

    @Test(arguments: [(96, 96), (64, 128), (128, 64)])
    func sweepsAreMonotoneAndBeatLowRank(rows: Int, columns: Int) throws {
        let weight = Instances.random(rows, columns)
        for objective in try Instances.objectives(columns) {
            for blocks in [2, 8] {
                let fit = try BLASTFitter(blocks: blocks).fit(
                    weight, objective: objective, size: .fraction(0.5))
                #expect(fit.trace.count > 2)
                for (earlier, later) in zip(fit.trace, fit.trace.dropFirst()) { #expect(later <= earlier) }
                #expect(abs(fit.relativeError - fit.trace.last!) < 1e-5)
                let sameRank = try LowRankFactorisation(weight, objective: objective)
                    .relativeError(rank: fit.matrix.rank)
                #expect(fit.relativeError < sameRank)
            }
        }
    }

    /// At equal count, under locally correlated inputs, the card's comparison.
    @Test func beatsLowRankAtEqualCount() throws {
        let size = 128
        let weight = Instances.random(size, size)
        let gram = DoubleMatrix(rows: size, columns: size) { row, column in
            (row == column ? 1 : 0) + 0.9 * Double(max(0, 16 - abs(row - column))) / 16
        }
        let objective = Objective.activations(try Gram(gram))
        let lowRank = try ActivationSVDFitter().fit(weight, objective: objective, size: .fraction(0.5))
        let blast = try BLASTFitter(blocks: 8).fit(weight, objective: objective, size: .fraction(0.5))
        #expect(blast.relativeError < 0.9 * lowRank.relativeError)
        #expect(blast.matrix.cost.parameters <= size * size / 2)
    }

    @Test func identityGramIsFrobenius() throws {
        let weight = Instances.random(32, 48)
        let fitter = BLASTFitter(blocks: 4, sweeps: 5)
        let plain = try fitter.fit(weight, objective: .frobenius, size: .fraction(0.5))
        let weighted = try fitter.fit(
            weight, objective: .activations(try Gram(.identity(48))), size: .fraction(0.5))
        #expect(abs(plain.relativeError - weighted.relativeError) < 1e-5)
    }

    @Test func factorisationAtHandGivesTheSameMatrix() throws {
        let weight = Instances.random(32, 32)
        let objective = try Instances.objectives(32)[1]
        let factorisation = try LowRankFactorisation(weight, objective: objective)
        let fitter = BLASTFitter(blocks: 4, sweeps: 5)
        let direct = try fitter.fit(weight, objective: objective, size: .fraction(0.5))
        let reused = try fitter.fit(
            weight, objective: objective, size: .fraction(0.5), context: FitContext(),
            factorisation: factorisation)
        #expect(direct.matrix.factors == reused.matrix.factors)
    }

    @Test func blocksFollowTheShapeAndTheBudget() throws {
        let fit = try BLASTFitter(sweeps: 1).fit(
            Instances.random(48, 36), objective: .frobenius, size: .fraction(0.5))
        #expect(fit.matrix.blocks == 12)
        let small = try BLASTFitter(sweeps: 1).fit(
            Instances.random(48, 36), objective: .frobenius, size: .parameters(84 + 9))
        #expect(small.matrix.blocks == 3 && small.matrix.rank == 1)
        let prime = try BLASTFitter().fit(
            Instances.random(13, 7), objective: .frobenius, size: .fraction(0.5))
        #expect(prime.matrix.blocks == 1)
        let shape = MatrixShape(rows: 13, columns: 7)
        #expect(throws: FittingError.indivisible(matrix: "matrix", family: "blast", shape: shape, blocks: 2))
        {
            try BLASTFitter(blocks: 2).fit(
                Instances.random(13, 7), objective: .frobenius, size: .fraction(0.5))
        }
    }

    @Test func progressIsReportedAndCancellationHeeded() throws {
        let reports = Mutex<[FitProgress]>([])
        let context = FitContext(
            isCancelled: { reports.withLock { $0.count >= 3 } },
            progress: { report in
                reports.withLock { $0.append(report) }
            })
        #expect(throws: FittingError.cancelled(matrix: "matrix")) {
            try BLASTFitter(blocks: 4).fit(
                Instances.random(32, 32), objective: .frobenius, size: .fraction(0.5), context: context)
        }
        #expect(reports.withLock { $0.map(\.sweep) } == [1, 2, 3])
    }
}
