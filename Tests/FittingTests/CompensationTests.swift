import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// Low-rank corrections of other families' errors.
@Suite struct CompensationTests {
    /// Whatever is compensated gets closer, under either objective.
    @Test(arguments: Fitters.methods.map(\.name))
    func everyFamilyGetsCloser(name: String) throws {
        let fitter = try #require(Fitters.fitter(named: name))
        let weight = Instances.random(32, 32)
        for objective in try Instances.objectives(32) {
            let fit = try fitter.fitAny(
                weight, objective: objective, size: FitterLawTests.budget(fitter, rows: 32, columns: 32), context: FitContext())
            let better = try LowRankCompensation().compensate(
                fit.matrix, toward: weight, objective: objective, size: .parameters(2 * 64))
            #expect(better.relativeError < fit.relativeError)
            #expect(better.matrix.cost == fit.matrix.cost + Cost(parameters: 128, storedBytes: 512, multiplyAdds: 128))
            #expect(better.relativeError == (try objective.error(of: better.matrix.dense(), for: weight)))
        }
    }

    private func pruned(_ weight: Matrix, _ objective: Objective) throws -> NMSparse {
        try NMMagnitudeFitter(kept: 2).fit(weight, objective: objective, size: .fraction(1)).matrix
    }

    @Test func fullRankRestoresTheWeight() throws {
        let weight = Instances.random(24, 16)
        for objective in try Instances.objectives(16) {
            let fit = try LowRankCompensation().compensate(
                pruned(weight, objective), toward: weight, objective: objective, size: .parameters(16 * 40))
            #expect(fit.relativeError < 1e-10)
        }
    }

    /// What is left is the tail of the whitened residual's singular values.
    @Test func theErrorIsTheTail() throws {
        let weight = Instances.random(24, 32)
        for objective in try Instances.objectives(32) {
            let base = try pruned(weight, objective)
            let residual = weight - base.dense()
            let values = try LowRankFactorisation(residual, objective: objective).singularValues
            let total = try LowRankFactorisation(weight, objective: objective).singularValues.reduce(0) { $0 + $1 * $1 }
            let fit = try LowRankCompensation().compensate(
                base, toward: weight, objective: objective, size: .parameters(5 * 56))
            let tail = values.dropFirst(5).reduce(0) { $0 + $1 * $1 } / total
            #expect(abs(fit.relativeError - tail) < 1e-6 * tail)
        }
    }

    @Test func uncorrelatedInputsOfOneSizeAreThePlainDecomposition() throws {
        let weight = Instances.random(24, 32)
        let base = try pruned(weight, .frobenius)
        let identity = Objective.activations(try Gram(.identity(32), relativeDamping: 0))
        let size = SizeBudget.parameters(5 * 56)
        let (plain, weighted) = (
            try LowRankCompensation().compensate(base, toward: weight, objective: .frobenius, size: size),
            try LowRankCompensation().compensate(base, toward: weight, objective: identity, size: size)
        )
        #expect(abs(plain.relativeError - weighted.relativeError) < 1e-9)
    }

    @Test func correlatedInputsAreTakenIntoAccount() throws {
        let weight = Instances.random(32, 32)
        let objective = Objective.activations(try Instances.correlatedGram(32))
        let base = try pruned(weight, objective)
        let size = SizeBudget.parameters(6 * 64)
        let plain = try LowRankCompensation().compensate(base, toward: weight, objective: .frobenius, size: size)
        let weighted = try LowRankCompensation().compensate(base, toward: weight, objective: objective, size: size)
        #expect(weighted.relativeError < 0.9 * (try objective.error(of: plain.matrix.dense(), for: weight)))
    }

    @Test func compensatedSumsGainATermAndExactFitsLoseNothing() throws {
        let weight = Instances.random(16, 16)
        let once = try LowRankCompensation().compensate(
            pruned(weight, .frobenius), toward: weight, objective: .frobenius, size: .parameters(64))
        let twice = try LowRankCompensation().compensate(
            once.matrix, toward: weight, objective: .frobenius, size: .parameters(32))
        #expect(twice.matrix.parts.map(\.family.name) == ["nm-sparse", "low-rank", "low-rank"])
        let exact = try LowRankCompensation().compensate(
            Dense(weight), toward: weight, objective: .frobenius, size: .parameters(32))
        #expect(exact.relativeError == 0)
    }

    @Test func refusalsSayWhy() throws {
        let weight = Instances.random(8, 16)
        let shape = MatrixShape(rows: 8, columns: 16)
        #expect(throws: FittingError.shapeMismatch(
            matrix: "matrix", expected: shape, got: MatrixShape(rows: 8, columns: 8))
        ) {
            try LowRankCompensation().compensate(
                Dense(Instances.random(8, 8)), toward: weight, objective: .frobenius, size: .parameters(99))
        }
        #expect(throws: FittingError.self) {
            try LowRankCompensation().compensate(Dense(weight), toward: weight, objective: .frobenius, size: .parameters(23))
        }
        #expect(throws: FittingError.invalidOption(fitter: "eora", option: "rank", expected: "1 or more", got: 0)) {
            try EoRAFitter(rank: 0).fit(weight, objective: .frobenius, size: .fraction(1))
        }
    }

    /// The base may be any fitter; the budget is shared, and what the base leaves goes to the correction.
    @Test func eoraTakesAnyBase() throws {
        let weight = Instances.random(48, 32)
        let objective = Objective.activations(try Instances.correlatedGram(32))
        let budget = SizeBudget.storedBytes(48 * 32 * 4 * 6 / 10)
        for base in [NMMagnitudeFitter() as any Fitter, BLASTFitter(), TritPlaneFitter(), GoDecFitter()] {
            let fit = try EoRAFitter(base: base).fit(weight, objective: objective, size: budget)
            #expect(budget.allows(fit.matrix.cost, shape: fit.matrix.shape))
            #expect(fit.trace.count == 2 && fit.trace[1] < fit.trace[0])
        }
        let small = try EoRAFitter(base: QuantizedFitter(bits: 2, groupSize: 32), rank: 3)
            .fit(weight, objective: objective, size: .fraction(10))
        #expect((small.matrix.parts.last as? LowRank)?.rank == 3)
    }

    @Test func alternationBeatsQuantizationAndItsFirstPair() throws {
        let weight = Instances.random(48, 32) + Instances.lowRank(48, 32, rank: 4, seed: 5)
        let quantizer = QuantizedFitter(bits: 2, groupSize: 32)
        for objective in try Instances.objectives(32) {
            let alone = try quantizer.fit(weight, objective: objective, size: .fraction(1))
            let first = try EoRAFitter(base: quantizer, rank: 4).fit(weight, objective: objective, size: .fraction(2))
            let fit = try LQLoRAFitter(quantizer: quantizer, rank: 4).fit(weight, objective: objective, size: .fraction(2))
            #expect(fit.relativeError <= first.relativeError && first.relativeError < alone.relativeError)
            #expect(zip(fit.trace, fit.trace.dropFirst()).allSatisfy { $0 >= $1 })
            #expect(fit.matrix.parts.map(\.family.name) == ["quantized", "low-rank"])
        }
    }

    /// A weight that is codes + low-rank: less than half the error of codes alone.
    @Test func plantedCodesAndLowRankAreSeparated() throws {
        var generator = SeededGenerator(seed: 3)
        let codes = Matrix(rows: 64, columns: 64) { _, _ in Float(Int.random(in: -2...1, using: &generator)) }
        let weight = codes + Instances.lowRank(64, 64, rank: 3)
        let quantizer = QuantizedFitter(bits: 2, groupSize: 64)
        let alone = try quantizer.fit(weight, objective: .frobenius, size: .fraction(1))
        let fit = try LQLoRAFitter(quantizer: quantizer, rank: 3).fit(weight, objective: .frobenius, size: .fraction(2))
        #expect(fit.relativeError < 0.25 * alone.relativeError)
    }
}
