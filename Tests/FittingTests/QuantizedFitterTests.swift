import Fitting
import StructuredMatrices
import Tensors
import Testing

@Suite struct QuantizedFitterTests {
    static func nearest(_ bits: Int) -> RoundToNearestFitter<Quantized> {
        RoundToNearestFitter(bits: bits, groupSize: 16)
    }
    static func searched(_ bits: Int) -> ScaleSearchFitter<Quantized> { ScaleSearchFitter(bits: bits, groupSize: 16) }
    static let whole = SizeBudget.fraction(1)

    @Test(arguments: Quantized.supportedBits)
    func nearestIsWithinHalfAStep(bits: Int) throws {
        let weight = Instances.random(6, 40)
        let fit = try Self.nearest(bits).fit(weight, objective: .frobenius, size: Self.whole)
        let dense = fit.matrix.dense()
        for row in 0..<6 {
            for group in 0..<3 {
                let columns = group * 16..<min(40, group * 16 + 16)
                let largest = columns.map { abs(weight[row, $0]) }.max()!
                // Half a step, and what rounding the scale to binary16 may add at the end of the range.
                let step = largest / Float(Quantized.range(bits: bits).upperBound)
                for column in columns {
                    #expect(abs(weight[row, column] - dense[row, column]) <= step / 2 + largest / 2048)
                }
            }
        }
    }

    @Test(arguments: Quantized.supportedBits)
    func weightsOnTheGridAreExact(bits: Int) throws {
        var generator = SeededGenerator(seed: 3)
        let range = Quantized.range(bits: bits)
        for end in [range.lowerBound, range.upperBound] {
            var weight = Matrix(rows: 4, columns: 32) { _, _ in
                // Multiples of a binary16 number, within the side of the range that both signs of a scale
                // reach.
                Float(0.0625) * Float(Int(generator.next() % UInt64(range.upperBound + 1)))
            }
            for row in 0..<4 { for column in [3, 20] { weight[row, column] = 0.0625 * Float(end) } }
            let fit = try Self.searched(bits).fit(weight, objective: .frobenius, size: Self.whole)
            #expect(fit.relativeError == 0)
            #expect(fit.matrix.dense() == weight)
        }
    }

    @Test(arguments: Quantized.supportedBits)
    func searchNeverLoses(bits: Int) throws {
        for seed in 1...5 as ClosedRange<UInt64> {
            let weight = Instances.random(10, 48, seed: seed)
            let nearest = try Self.nearest(bits).fit(weight, objective: .frobenius, size: Self.whole)
            let searched = try Self.searched(bits).fit(weight, objective: .frobenius, size: Self.whole)
            #expect(searched.relativeError < nearest.relativeError)
        }
    }

    @Test(arguments: Quantized.supportedBits)
    func compensationBeatsNearestOnCorrelatedInputs(bits: Int) throws {
        for seed in 1...5 as ClosedRange<UInt64> {
            let weight = Instances.random(12, 64, seed: seed)
            let objective = Objective.activations(try Instances.correlatedGram(64, seed: seed))
            let nearest = try Self.nearest(bits).fit(weight, objective: objective, size: Self.whole)
            let searched = try Self.searched(bits).fit(weight, objective: objective, size: Self.whole)
            let compensated = try QuantizedFitter(bits: bits, groupSize: 16)
                .fit(weight, objective: objective, size: Self.whole)
            #expect(compensated.relativeError < nearest.relativeError)
            #expect(compensated.relativeError < 0.8 * searched.relativeError)
            #expect(compensated.trace == compensated.trace.sorted(by: >))
        }
    }

    @Test func zeroGroupsAndExtremeScales() throws {
        var weight = Instances.random(3, 32)
        for column in 0..<16 {
            weight[0, column] = 0
            weight[1, column] *= 1e-12
            weight[2, column] *= 1e12
        }
        for objective in try Instances.objectives(32) {
            let dense = try QuantizedFitter(bits: 4, groupSize: 16).fit(
                weight, objective: objective, size: Self.whole
            )
            .matrix.dense()
            #expect(dense.isFinite)
            #expect((0..<16).allSatisfy { dense[0, $0] == 0 })
        }
    }

    @Test func budgetChoosesTheBits() throws {
        let weight = Instances.random(8, 64)
        let shape = MatrixShape(rows: 8, columns: 64)
        for bits in Quantized.supportedBits {
            let cost = Quantized.cost(shape: shape, bits: bits, groupSize: 32)
            let fit = try QuantizedFitter(groupSize: 32)
                .fit(weight, objective: .frobenius, size: .storedBytes(cost.storedBytes))
            #expect(fit.matrix.bits == bits)
            #expect(fit.matrix.cost == cost)
        }
        #expect(
            throws: FittingError.budgetBelowMinimum(
                matrix: "matrix", family: "quantized", shape: shape, budget: .fraction(0.5),
                minimum: Quantized.cost(shape: shape, bits: 2, groupSize: 64))
        ) { try QuantizedFitter().fit(weight, objective: .frobenius, size: .fraction(0.5)) }
    }

    @Test func badOptionsAreTypedErrors() throws {
        let weight = Instances.random(8, 64)
        #expect(
            throws: FittingError.invalidOption(
                fitter: "quantize", option: "bits", expected: "2, 3, 4, 5, 6 or 8", got: 7)
        ) { try QuantizedFitter(bits: 7).fit(weight, objective: .frobenius, size: Self.whole) }
        #expect(
            throws: FittingError.invalidOption(
                fitter: "quantize", option: "group size", expected: "1 or more", got: 0)
        ) { try QuantizedFitter(groupSize: 0).fit(weight, objective: .frobenius, size: Self.whole) }
    }

    @Test func groupsNeedNotDivideTheRow() throws {
        let weight = Instances.random(300, 50)
        for objective in try Instances.objectives(50) {
            for groupSize in [1, 7, 32, 64, 200] {
                let fit = try QuantizedFitter(bits: 4, groupSize: groupSize)
                    .fit(weight, objective: objective, size: Self.whole)
                #expect(fit.relativeError < 0.03)
            }
        }
    }
}
