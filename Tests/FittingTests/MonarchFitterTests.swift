import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

@Suite struct MonarchFitterTests {
    static func planted(
        rows: Int, columns: Int, blocks: Int, groups: Int, rank: Int, strided: Bool
    ) -> Monarch {
        let right = Instances.random(blocks * groups * rank, columns / blocks, seed: 1).elements
        let left = Instances.random(rows, blocks * rank, seed: 2).elements
        return Monarch(
            right: Factor(right, shape: [blocks, groups * rank, columns / blocks]),
            left: Factor(left, shape: [groups, rows / groups, blocks * rank]), strided: strided)
    }

    @Test(
        arguments: [(24, 36, 3, 4, 2), (36, 24, 4, 2, 3), (16, 16, 4, 4, 1), (12, 32, 4, 1, 2)],
        [true, false])
    func plantedMatrixIsRecovered(
        size: (rows: Int, columns: Int, blocks: Int, groups: Int, rank: Int), strided: Bool
    ) throws {
        let planted = Self.planted(
            rows: size.rows, columns: size.columns, blocks: size.blocks, groups: size.groups, rank: size.rank,
            strided: strided)
        for objective in try Instances.objectives(size.columns) {
            let fitter = MonarchFitter(
                inputBlocks: size.blocks, outputGroups: size.groups,
                grouping: strided ? .strided : .contiguous)
            let fit = try fitter.fit(
                planted.dense(), objective: objective, size: .parameters(planted.cost.parameters))
            #expect(fit.matrix.cost == planted.cost)
            #expect(fit.relativeError < 1e-10)
        }
    }

    @Test func projectionErrorIsTheSumOfDiscardedSingularValues() throws {
        let weight = Instances.random(12, 20)
        let fit = try MonarchFitter(inputBlocks: 4, outputGroups: 3, grouping: .strided)
            .fit(weight, objective: .frobenius, size: .parameters(2 * (3 * 20 + 4 * 12)))
        var discarded = 0.0
        for group in 0..<3 {
            for block in 0..<4 {
                let piece = DoubleMatrix(rows: 4, columns: 5) {
                    Double(weight[$0 * 3 + group, block * 5 + $1])
                }
                discarded += try SingularValues(piece).values.dropFirst(2).reduce(0) { $0 + $1 * $1 }
            }
        }
        #expect(abs(fit.relativeError - discarded / weight.squaredNorm) < 1e-6)
    }

    @Test func identityGramGivesTheProjection() throws {
        let weight = Instances.random(24, 24)
        let fitter = MonarchFitter(inputBlocks: 4, outputGroups: 4)
        let plain = try fitter.fit(weight, objective: .frobenius, size: .fraction(0.5))
        let weighted = try fitter.fit(
            weight, objective: .activations(try Gram(.identity(24))), size: .fraction(0.5))
        #expect(abs(plain.relativeError - weighted.relativeError) < 1e-6)
    }

    @Test(arguments: [(96, 96), (64, 128), (128, 64)])
    func sweepsAreMonotoneAndBeatTheirStart(rows: Int, columns: Int) throws {
        let weight = Instances.random(rows, columns)
        let objective = Objective.activations(try Instances.correlatedGram(columns))
        let start = try MonarchFitter(inputBlocks: 4, outputGroups: 4, sweeps: 0)
            .fit(weight, objective: objective, size: .fraction(0.5))
        let projection = try MonarchFitter(inputBlocks: 4, outputGroups: 4)
            .fit(weight, objective: .frobenius, size: .fraction(0.5)).matrix
        let fit = try MonarchFitter(inputBlocks: 4, outputGroups: 4)
            .fit(weight, objective: objective, size: .fraction(0.5))
        #expect(fit.trace.count > 2)
        for (earlier, later) in zip(fit.trace, fit.trace.dropFirst()) { #expect(later <= earlier) }
        #expect(fit.relativeError < start.relativeError)
        #expect(fit.relativeError < (try objective.error(of: projection.dense(), for: weight)))
        #expect(abs(fit.relativeError - fit.trace.last!) < 1e-5)
    }

    /// The card's comparison: at equal count, under correlated inputs, Monarch ends below the whitened SVD.
    @Test func beatsLowRankOnLocallyCorrelatedInputs() throws {
        let size = 128
        let weight = Instances.random(size, size)
        // An autoregressive sequence of features: neighbours are alike, distant ones are not.
        let gram = DoubleMatrix(rows: size, columns: size) { row, column in
            (0..<abs(row - column)).reduce(1.0) { product, _ in product * 0.95 }
        }
        let objective = Objective.activations(try Gram(gram))
        let lowRank = try ActivationSVDFitter().fit(weight, objective: objective, size: .fraction(0.5))
        let monarch = try MonarchFitter().fit(weight, objective: objective, size: .fraction(0.5))
        #expect(monarch.relativeError < lowRank.relativeError)
    }

    /// One block is among the layouts, so that nothing is lost against the weighted low-rank matrix of the same budget.
    @Test(arguments: [(96, 96), (128, 32), (32, 128)])
    func neverWorseThanLowRank(rows: Int, columns: Int) throws {
        let weight = try Instances.decaying(rows, columns)
        for objective in try Instances.objectives(columns) {
            let svd = try ActivationSVDFitter().fit(weight, objective: objective, size: .fraction(0.5))
            for fitter in [MonarchFitter() as any Fitter, BTTFitter(), PermutedMonarchFitter()] {
                let fit = try fitter.fitAny(weight, objective: objective, size: .fraction(0.5), context: FitContext())
                #expect(fit.relativeError <= svd.relativeError * (1 + 1e-6) + 1e-12, "\(fitter.method.name)")
            }
        }
    }

    /// A step is a joint optimum of a block and all of L: with one block the first sweep is the exact minimum already.
    @Test func oneBlockIsTheWeightedDecomposition() throws {
        let weight = Instances.random(48, 32)
        let objective = Objective.activations(try Instances.correlatedGram(32))
        let fit = try MonarchFitter(inputBlocks: 1, outputGroups: 1).fit(weight, objective: objective, size: .parameters(8 * 80))
        let svd = try ActivationSVDFitter().fit(weight, objective: objective, size: .parameters(8 * 80))
        #expect(abs(fit.relativeError - svd.relativeError) < 1e-5 * svd.relativeError)
        #expect(abs(fit.trace[0] - svd.relativeError) < 1e-5 * svd.relativeError)
    }

    /// Blocks that only a sorting of the inputs by size uncovers.
    @Test func sortedInputsAreFound() throws {
        let planted = Self.planted(rows: 24, columns: 32, blocks: 2, groups: 1, rank: 3, strided: false).dense()
        let scales = (0..<32).map { $0 < 16 ? Float(1) : 40 }
        let places = (0..<32).map { $0 * 5 % 32 }
        let weight = Matrix(rows: 24, columns: 32) { planted[$0, places[$1]] * scales[places[$1]] }
        let size = SizeBudget.parameters(3 * (32 + 2 * 24))
        let fit = try PermutedMonarchFitter().fit(weight, objective: .frobenius, size: size)
        #expect(fit.relativeError < 1e-10)
        #expect(try MonarchFitter().fit(weight, objective: .frobenius, size: size).relativeError > 1e-4)
        #expect(fit.matrix.cost.storedBytes == 4 * fit.matrix.cost.parameters + 2 * 32)
    }

    /// Inputs that are all of one size and have the same in common: only what the weight makes of them tells the blocks apart.
    @Test func inputsThatReachTheOutputsTogetherAreFound() throws {
        let planted = Self.planted(rows: 24, columns: 32, blocks: 2, groups: 1, rank: 2, strided: false).dense()
        let places = (0..<32).map { $0 * 5 % 32 }
        let weight = Matrix(rows: 24, columns: 32) { planted[$0, places[$1]] }
        let gram = DoubleMatrix(rows: 32, columns: 32) { $0 == $1 ? 1 : 0.5 }
        let objective = Objective.activations(try Gram(gram))
        let size = SizeBudget.parameters(2 * (32 + 2 * 24))
        #expect(try PermutedMonarchFitter().fit(weight, objective: objective, size: size).relativeError < 1e-10)
        #expect(try MonarchFitter().fit(weight, objective: objective, size: size).relativeError > 1e-4)
    }

    @Test func theBetterGroupingIsKept() throws {
        let weight = Self.planted(rows: 24, columns: 24, blocks: 4, groups: 4, rank: 2, strided: true).dense()
        for objective in try Instances.objectives(24) {
            let fit = try MonarchFitter(inputBlocks: 4, outputGroups: 4, grouping: .better)
                .fit(weight, objective: objective, size: .parameters(2 * 8 * 24))
            #expect(fit.matrix.strided)
            #expect(fit.relativeError < 1e-10)
        }
    }

    @Test func unnamedCountsTakeTheBestLayout() throws {
        let planted = Self.planted(rows: 32, columns: 64, blocks: 8, groups: 1, rank: 2, strided: false)
        let fit = try MonarchFitter().fit(
            planted.dense(), objective: .frobenius, size: .parameters(planted.cost.parameters))
        #expect(fit.matrix.inputBlocks == 8 && fit.matrix.outputGroups == 1)
        #expect(fit.relativeError < 1e-10)
    }

    @Test func countsThatDoNotDivideAreTypedErrors() throws {
        let shape = MatrixShape(rows: 12, columns: 10)
        #expect(
            throws: FittingError.indivisible(matrix: "matrix", family: "monarch", shape: shape, blocks: 3)
        ) {
            try MonarchFitter(inputBlocks: 3)
                .fit(Instances.random(12, 10), objective: .frobenius, size: .fraction(0.5))
        }
        #expect(
            throws: FittingError.invalidOption(
                fitter: "monarch-sweeps", option: "sweeps", expected: "0 or more", got: -1)
        ) {
            try MonarchFitter(sweeps: -1).fit(
                Instances.random(12, 10), objective: .frobenius, size: .fraction(0.9))
        }
    }
}
