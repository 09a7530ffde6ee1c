import Fitting
import StructuredMatrices
import Tensors
import Testing

@Suite struct NormalFloatFitterTests {
    static let whole = SizeBudget.fraction(1)

    /// On normal weights the quantiles beat evenly spaced levels, both with the largest weight at the end.
    @Test func normalWeightsSuitTheLevels() throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let weight = Instances.random(40, 256, seed: seed)
            let levels = try NormalFloatFitter(searchesScales: false)
                .fit(weight, objective: .frobenius, size: Self.whole)
            let integers = try RoundToNearestFitter<Quantized>(bits: 4, groupSize: 64)
                .fit(weight, objective: .frobenius, size: Self.whole)
            #expect(levels.relativeError < 0.9 * integers.relativeError)
            #expect(levels.matrix.cost.storedBytes < integers.matrix.cost.storedBytes)
            let searched = try NormalFloatFitter().fit(weight, objective: .frobenius, size: Self.whole)
            #expect(searched.relativeError < levels.relativeError)
        }
    }

    @Test func everyWeightGoesToTheNearestLevel() throws {
        let weight = Instances.random(5, 70)
        let fit = try NormalFloatFitter(groupSize: 32, searchesScales: false)
            .fit(weight, objective: .frobenius, size: Self.whole)
        let dense = fit.matrix.dense()
        let scales = NormalFloat.QuantizedScales(
            (0..<5).flatMap { row in
                [0..<32, 32..<64, 64..<70].map { columns in columns.map { abs(weight[row, $0]) }.max() ?? 0 }
            }
        ).values
        for row in 0..<5 {
            for column in 0..<70 {
                let values = NormalFloat.levels.map { $0 * scales[row * 3 + column / 32] }
                let nearest = values.map { abs($0 - weight[row, column]) }.min() ?? 0
                #expect(abs(dense[row, column] - weight[row, column]) <= nearest + 1e-6)
            }
        }
    }

    @Test func zerosStayZero() throws {
        var weight = Instances.random(4, 64)
        for column in 0..<64 { weight[1, column] = 0 }
        for column in stride(from: 0, to: 64, by: 3) { weight[2, column] = 0 }
        for objective in try Instances.objectives(64) {
            let dense = try NormalFloatFitter(groupSize: 32, compensated: false)
                .fit(weight, objective: objective, size: Self.whole).matrix.dense()
            for column in 0..<64 {
                if weight[2, column] == 0 { #expect(dense[2, column] == 0) }
                // The smallest scale is stored exactly.
                #expect(dense[1, column] == 0)
            }
        }
    }

    @Test func compensationHelps() throws {
        let weight = Instances.random(24, 96)
        let objective = Objective.activations(try Instances.correlatedGram(96))
        let plain = try NormalFloatFitter(groupSize: 32, compensated: false)
            .fit(weight, objective: objective, size: Self.whole)
        let compensated = try NormalFloatFitter(groupSize: 32).fit(weight, objective: objective, size: Self.whole)
        #expect(compensated.relativeError < 0.7 * plain.relativeError)
    }

    @Test func plantedMatricesAreRecovered() throws {
        var generator = SeededGenerator(seed: 5)
        // Both ends of every group are there; two scales, so that their steps store them exactly.
        let codes = (0..<20 * 64).map { $0 % 64 == 9 ? 7 : Int8(Int.random(in: -8...7, using: &generator)) }
        let planted = try NormalFloat(
            codes: codes, scales: NormalFloat.QuantizedScales((0..<20).map { $0 % 2 == 0 ? 0.5 : 2 }),
            shape: MatrixShape(rows: 20, columns: 64), groupSize: 64)
        let fit = try NormalFloatFitter(searchesScales: false)
            .fit(planted.dense(), objective: .frobenius, size: Self.whole)
        #expect(fit.relativeError == 0)
    }

    @Test func badOptionsAreTypedErrors() throws {
        #expect(
            throws: FittingError.invalidOption(fitter: "nf4", option: "group size", expected: "1 or more", got: 0)
        ) {
            try NormalFloatFitter(groupSize: 0)
                .fit(Instances.random(2, 8), objective: .frobenius, size: Self.whole)
        }
    }
}
