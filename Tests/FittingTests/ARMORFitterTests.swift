import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// Block-diagonal x N:M x block-diagonal.
@Suite struct ARMORFitterTests {
    @Test(arguments: [(2, 4), (1, 4), (3, 4), (4, 8), (4, 16)])
    func neverAboveItsStart(kept: Int, group: Int) throws {
        let weight = Instances.random(64, 96)
        let pruner = NMMagnitudeFitter(kept: kept, group: group)
        for objective in try Instances.objectives(96) {
            for precision in [Precision.f32, .bf16] {
                let context = FitContext(precision: precision)
                let start = try pruner.fit(weight, objective: objective, size: .fraction(2), context: context)
                let fit = try ARMORFitter(pruner: pruner, blockSize: 16).fit(
                    weight, objective: objective, size: .fraction(2), context: context)
                #expect(fit.relativeError < 0.95 * start.relativeError)
                #expect(fit.matrix.parts.map(\.family.name) == ["block-diagonal", "nm-sparse", "block-diagonal"])
            }
        }
    }

    /// The starts it is meant for: SparseGPT's matrix as it is, and with its values refitted.
    @Test(arguments: [false, true])
    func neverAboveSparseGPT(isRefitted: Bool) throws {
        let pruner: any Fitter =
            isRefitted
            ? NMSparseFitter<RefittedPruning<SparseGPTPruning>>(kept: 2) : NMSparseFitter<SparseGPTPruning>(kept: 2)
        for (rows, columns) in [(64, 96), (96, 64)] {
            let weight = try Instances.decaying(rows, columns)
            let objective = Objective.activations(try Instances.correlatedGram(columns))
            for precision in [Precision.f32, .f16] {
                let context = FitContext(precision: precision)
                let start = try pruner.fitAny(weight, objective: objective, size: .fraction(0.5), context: context)
                let fit = try ARMORFitter(pruner: pruner, blockSize: 16).fit(
                    weight, objective: objective, size: .fraction(2), context: context)
                #expect(fit.relativeError <= start.relativeError)
            }
        }
    }

    @Test func withoutSweepsItIsTheStart() throws {
        let weight = Instances.random(32, 32)
        let objective = Objective.activations(try Instances.correlatedGram(32))
        let start = try NMMagnitudeFitter(kept: 2).fit(weight, objective: objective, size: .fraction(1))
        let fit = try ARMORFitter(pruner: NMMagnitudeFitter(kept: 2), sweeps: 0).fit(
            weight, objective: objective, size: .fraction(3))
        // Only the core's numbers are refitted.
        #expect(fit.relativeError <= start.relativeError)
        let identity = Matrix.identity(32)
        #expect(fit.matrix.parts[0].dense() == identity && fit.matrix.parts[2].dense() == identity)
    }

    @Test func everyStepLowersTheError() throws {
        let weight = Instances.random(64, 64)
        for objective in try Instances.objectives(64) {
            let trace = try ARMORFitter(pruner: NMMagnitudeFitter(kept: 2), blockSize: 8).fit(
                weight, objective: objective, size: .fraction(2)).trace
            #expect(trace.count > 3 && zip(trace, trace.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-9) })
        }
    }

    /// A product of this form with small blocks: nine tenths of the start's error go.
    @Test func aPlantedProductIsApproached() throws {
        var generator = SeededGenerator(seed: 4)
        func blocks(_ count: Int) -> Matrix {
            var result = Matrix.identity(4 * count)
            for block in 0..<count {
                for row in 0..<4 {
                    for column in 0..<4 { result[4 * block + row, 4 * block + column] += 0.3 * Float(generator.nextNormal()) }
                }
            }
            return result
        }
        let core = try NMMagnitudeFitter(kept: 2).fit(
            .random(rows: 32, columns: 48, using: &generator), objective: .frobenius, size: .fraction(1)
        ).matrix.dense()
        let weight = blocks(8).multiplied(by: core).multiplied(by: blocks(12))
        let start = try NMMagnitudeFitter(kept: 2).fit(weight, objective: .frobenius, size: .fraction(1))
        let fit = try ARMORFitter(pruner: NMMagnitudeFitter(kept: 2), blockSize: 4, sweeps: 300, tolerance: 0).fit(
            weight, objective: .frobenius, size: .fraction(2))
        #expect(fit.relativeError < 0.1 * start.relativeError)
    }

    @Test func otherPrunersServeAndOtherFamiliesDoNot() throws {
        let weight = Instances.random(16, 16)
        #expect(throws: FittingError.unsuitablePart(fitter: "armor", expected: "nm-sparse", got: "low-rank")) {
            try ARMORFitter(pruner: ActivationSVDFitter()).fit(weight, objective: .frobenius, size: .fraction(3))
        }
        #expect(
            FittingError.unsuitablePart(fitter: "armor", expected: "nm-sparse", got: "csr").description
                == "armor: the matrix it starts from must be nm-sparse, got csr")
        #expect(throws: FittingError.invalidOption(fitter: "armor", option: "block size", expected: "1 or more", got: 0)) {
            try ARMORFitter(blockSize: 0).fit(weight, objective: .frobenius, size: .fraction(3))
        }
    }

    /// Sides that the block size does not divide take the largest divisor below it.
    @Test func blocksDivideTheSides() throws {
        let fit = try ARMORFitter(pruner: NMMagnitudeFitter(kept: 2), blockSize: 8, sweeps: 2).fit(
            Instances.random(21, 20), objective: .frobenius, size: .fraction(3))
        #expect((fit.matrix.parts[0] as? BlockDiagonal)?.blocks.shape == [3, 7, 7])
        #expect((fit.matrix.parts[2] as? BlockDiagonal)?.blocks.shape == [4, 5, 5])
    }
}
