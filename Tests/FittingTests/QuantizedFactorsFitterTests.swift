import Fitting
import StructuredMatrices
import Tensors
import Testing

/// Low-rank with factors in small integers.
@Suite struct QuantizedFactorsFitterTests {
    @Test func aPlantedRankIsRecoveredUpToRounding() throws {
        let weight = Instances.lowRank(64, 48, rank: 6)
        for objective in try Instances.objectives(48) {
            let fit = try QuantizedFactorsFitter(rank: 6).fit(weight, objective: objective, size: .fraction(1))
            #expect(fit.relativeError < 1e-4)
            #expect(fit.matrix.parts.map(\.family.name) == ["quantized", "quantized"])
        }
    }

    /// Where the spectrum has a tail, integers buy the rank that f16 cannot.
    @Test func beatsHalfPrecisionAtEqualBytes() throws {
        let weight = try Instances.decaying(96, 96)
        for objective in try Instances.objectives(96) {
            let size = SizeBudget.storedBytes(96 * 96)
            let half = try ActivationSVDFitter().fit(
                weight, objective: objective, size: size, context: FitContext(precision: .f16))
            let integers = try QuantizedFactorsFitter().fit(weight, objective: objective, size: size)
            #expect(integers.relativeError < 0.7 * half.relativeError)
        }
    }

    @Test func theSecondFactorMakesGoodForTheFirst() throws {
        let weight = Instances.random(64, 64)
        let objective = Objective.activations(try Instances.correlatedGram(64))
        let fit = try QuantizedFactorsFitter(bits: 4, rank: 24).fit(weight, objective: objective, size: .fraction(1))
        let plain = try ActivationSVDFitter().fit(weight, objective: objective, size: .parameters(24 * 128)).matrix
        let quantizer = QuantizedFitter(bits: 4, groupSize: 32)
        let apart = try MatrixProduct([
            quantizer.fit(plain.u.matrix, objective: .frobenius, size: .fraction(1)).matrix,
            quantizer.fit(plain.v.matrix, objective: .frobenius, size: .fraction(1)).matrix,
        ])
        #expect(fit.relativeError < (try objective.error(of: apart.dense(), for: weight)))
    }

    @Test func wrongOptionsAreRefused() {
        let weight = Instances.random(8, 12)
        #expect(throws: FittingError.invalidOption(
            fitter: "quantized-factors", option: "bits", expected: "2, 3, 4, 5, 6 or 8", got: 7)
        ) { try QuantizedFactorsFitter(bits: 7).fit(weight, objective: .frobenius, size: .fraction(1)) }
        #expect(throws: FittingError.invalidOption(
            fitter: "quantized-factors", option: "rank", expected: "1 to 8", got: 9)
        ) { try QuantizedFactorsFitter(rank: 9).fit(weight, objective: .frobenius, size: .fraction(1)) }
    }
}
