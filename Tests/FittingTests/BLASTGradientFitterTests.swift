import Fitting
import StructuredMatrices
import Tensors
import Testing

@Suite struct BLASTGradientFitterTests {
    @Test(arguments: [(32, 32, 4, 4, 1), (48, 24, 3, 3, 2)])
    func plantedMatrixIsRecovered(rows: Int, columns: Int, blocks: Int, rank: Int, excess: Int) throws {
        let planted = BLASTFitterTests.planted(rows: rows, columns: columns, blocks: blocks, rank: rank)
        let fit = try BLASTGradientFitter(blocks: blocks).fit(
            planted.dense(), objective: .frobenius, size: .parameters((1 + excess) * planted.cost.parameters))
        #expect(fit.matrix.rank == (1 + excess) * rank)
        #expect(fit.relativeError < 1e-3)
    }

    /// The paper's figure 3: with more components than the planted matrix has, the normal matrices become singular, and
    /// plain gradient descent, which at the planted rank converges, crawls where the preconditioned one arrives.
    @Test func plainDescentStallsWithExcessComponentsAndPreconditionedDoesNot() throws {
        let planted = BLASTFitterTests.planted(rows: 48, columns: 48, blocks: 3, rank: 2)
        let weight = planted.dense()
        func plainError(rank: Int) throws -> Double {
            var plain = PlainBLASTDescent(blocks: 3, rank: rank, rows: 48, columns: 48)
            for _ in 0..<300 { plain.iterate(weight) }
            return try Objective.frobenius.error(of: plain.matrix.dense(), for: weight)
        }
        let preconditioned = try BLASTGradientFitter(blocks: 3).fit(
            weight, objective: .frobenius, size: .parameters(4 * planted.cost.parameters))
        #expect(preconditioned.matrix.rank == 8 && preconditioned.relativeError < 1e-11)
        #expect(try plainError(rank: 2) < 1e-8)
        #expect(try plainError(rank: 8) > 1e-6)
    }

    /// As many sweeps as the authors' iterations; each costs about the same.
    @Test(arguments: [2, 4, 8, 16])
    func exactSweepsEndLower(blocks: Int) throws {
        // On noise, with no structure to find, many optima are nearly as good as each other.
        for (weight, slack) in [(try Instances.decaying(48, 48), 1.0), (Instances.random(48, 48), 1.03)] {
            let authors = try BLASTGradientFitter(blocks: blocks).fit(
                weight, objective: .frobenius, size: .fraction(0.5))
            let sweeps = try BLASTFitter(blocks: blocks, sweeps: 300, tolerance: 0)
                .fit(weight, objective: .frobenius, size: .fraction(0.5))
            #expect(sweeps.relativeError < slack * authors.relativeError)
            #expect(authors.relativeError < 0.5)
        }
    }

    @Test func theStartIsTheSeeds() throws {
        let weight = Instances.random(16, 16)
        let fits = try [1, 1, 2].map { seed in
            try BLASTGradientFitter(blocks: 4, iterations: 20).fit(
                weight, objective: .frobenius, size: .fraction(0.6), context: FitContext(seed: seed))
        }
        #expect(fits[0].matrix.factors == fits[1].matrix.factors)
        #expect(fits[0].matrix.factors != fits[2].matrix.factors)
        #expect(
            throws: FittingError.invalidOption(
                fitter: "blast-gradient", option: "iterations", expected: "1 or more", got: 0)
        ) { try BLASTGradientFitter(iterations: 0).fit(weight, objective: .frobenius, size: .fraction(0.6)) }
    }

    /// Under activations the damped steps lower the error that counts, well below that of the fit in the plain norm, and end
    /// near the exact sweeps'.
    @Test func weightedStepsLowerTheWeightedError() throws {
        let weight = Instances.random(64, 64)
        let objective = Objective.activations(try Instances.correlatedGram(64))
        let plain = try BLASTGradientFitter(blocks: 4).fit(weight, objective: .frobenius, size: .fraction(0.5))
        let weighted = try BLASTGradientFitter(blocks: 4).fit(weight, objective: objective, size: .fraction(0.5))
        let exact = try BLASTFitter(blocks: 4).fit(weight, objective: objective, size: .fraction(0.5))
        #expect(weighted.relativeError < 0.6 * (try objective.error(of: plain.matrix.dense(), for: weight)))
        #expect(weighted.relativeError < 2 * exact.relativeError)
        #expect(abs((weighted.trace.min() ?? 0) - weighted.relativeError) < 1e-4)
    }
}
