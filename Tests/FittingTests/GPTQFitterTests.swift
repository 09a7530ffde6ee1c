import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

@Suite struct GPTQFitterTests {
    static let whole = SizeBudget.fraction(2)

    static func error<Form>(_ fit: Fit<Form>) -> Double { fit.relativeError }

    @Test(arguments: ColumnOrder.allCases)
    func diagonalGramLeavesNothingToCompensate(order: ColumnOrder) throws {
        let weight = Instances.random(5, 32)
        let diagonal = DoubleMatrix(rows: 32, columns: 32) { $0 == $1 ? Double($0 + 1) : 0 }
        let objective = Objective.activations(try Gram(diagonal, relativeDamping: 0))
        let compensated = try GPTQFitter<Quantized>(bits: 4, groupSize: 16, order: order, damping: 0)
            .fit(weight, objective: objective, size: Self.whole)
        let searched = try ScaleSearchFitter<Quantized>(bits: 4, groupSize: 16)
            .fit(weight, objective: objective, size: Self.whole)
        #expect(compensated.matrix.dense() == searched.matrix.dense())
    }

    @Test func theNextColumnMovesByTheOptimalBrainUpdate() throws {
        // The third weight fixes the scale at 1. Rounding 0.4 to 0 moves the second by 0.9 of the error, to
        // 0.76.
        let gram = DoubleMatrix(rows: 3, columns: 3, elements: [1, 0.9, 0, 0.9, 1, 0, 0, 0, 1])
        let objective = Objective.activations(try Gram(gram, relativeDamping: 0))
        let weight = Matrix(rows: 1, columns: 3, elements: [0.4, 0.4, 7])
        let fit = try GPTQFitter<Quantized>(bits: 4, groupSize: 3, order: .stored, searchesScales: false, damping: 0)
            .fit(weight, objective: objective, size: Self.whole)
        #expect(fit.matrix.dense().elements == [0, 1, 7])
        let nearest = try RoundToNearestFitter<Quantized>(bits: 4, groupSize: 3)
            .fit(weight, objective: objective, size: Self.whole)
        #expect(nearest.matrix.dense().elements == [0, 0, 7])
    }

    @Test(arguments: [2, 3, 4], ColumnOrder.allCases)
    func compensationBeatsRoundingOnCorrelatedInputs(bits: Int, order: ColumnOrder) throws {
        for seed in 1...5 as ClosedRange<UInt64> {
            let weight = Instances.random(24, 64, seed: seed)
            let objective = Objective.activations(try Instances.correlatedGram(64, seed: seed))
            let searched = try ScaleSearchFitter<Quantized>(bits: bits, groupSize: 16)
                .fit(weight, objective: objective, size: Self.whole)
            let compensated = try GPTQFitter<Quantized>(bits: bits, groupSize: 16, order: order)
                .fit(weight, objective: objective, size: Self.whole)
            #expect(compensated.relativeError < 0.8 * searched.relativeError)
            let zeros = try GPTQFitter<AsymmetricQuantized>(bits: bits, groupSize: 16, order: order)
                .fit(weight, objective: objective, size: Self.whole)
            let searchedZeros = try ScaleSearchFitter<AsymmetricQuantized>(bits: bits, groupSize: 16)
                .fit(weight, objective: objective, size: Self.whole)
            #expect(zeros.relativeError < 0.8 * searchedZeros.relativeError)
        }
    }

    /// 300 columns are one block where they are one group, and blocks of 128 where they go by their inputs; inputs in falling
    /// order make the two the same problem.
    @Test func blocksDoNotChangeTheResult() throws {
        var inputs = Instances.random(900, 300, seed: 3).converted(to: Double.self)
        for row in 0..<900 {
            for column in 1..<300 { inputs[row, column] += 0.8 * inputs[row, column - 1] }
            for column in 0..<300 { inputs[row, column] *= 10 / Double(column + 10) }
        }
        var gram = try Gram(inputs: inputs, relativeDamping: 0).matrix
        for column in 0..<300 { gram[column, column] = 1e3 - Double(column) + gram[column, column] * 1e-3 }
        let objective = Objective.activations(try Gram(gram, relativeDamping: 0))
        let weight = Instances.random(7, 300)
        func fit(_ order: ColumnOrder) throws -> Matrix {
            try GPTQFitter<Quantized>(bits: 4, groupSize: 300, order: order, searchesScales: false)
                .fit(weight, objective: objective, size: Self.whole).matrix.dense()
        }
        let (one, many) = (try fit(.stored), try fit(.largestInputs))
        let different = zip(one.elements, many.elements).count { $0 != $1 }
        #expect(different <= weight.count / 200)
    }

    /// Weights that are small integers times scales come back.
    @Test(arguments: Quantized.supportedBits)
    func plantedMatricesAreRecovered(bits: Int) throws {
        var generator = SeededGenerator(seed: 4, stream: "\(bits)")
        let shape = MatrixShape(rows: 12, columns: 96)
        let range = Quantized.range(bits: bits)
        // Every group reaches both ends of the range, so that the covering scale is the planted one.
        let codes = (0..<shape.count).map { index in
            switch index % 32 {
            case 3: Int8(range.lowerBound)
            case 20: Int8(range.upperBound)
            default: Int8(Int.random(in: range, using: &generator))
            }
        }
        let scales = (0..<36).map { 0.25 + Float($0 % 7) / 32 }
        let symmetric = try Quantized(codes: codes, scales: scales, shape: shape, bits: bits, groupSize: 32).dense()
        let asymmetric = try AsymmetricQuantized(
            codes: codes, scales: scales, zeros: (0..<36).map { Int8($0 * 3 - 50) }, shape: shape, bits: bits, groupSize: 32
        ).dense()
        let gram = try Instances.correlatedGram(96)
        for objective in [Objective.frobenius, .activations(gram)] {
            func check(_ fitter: some Fitter, _ weight: Matrix) throws {
                let fit = try fitter.fit(weight, objective: objective, size: Self.whole, context: FitContext())
                #expect(fit.relativeError < 1e-10, "\(fitter.method.name)")
            }
            try check(ScaleSearchFitter<Quantized>(bits: bits, groupSize: 32), symmetric)
            try check(GPTQFitter<Quantized>(bits: bits, groupSize: 32), symmetric)
            try check(QuantizedFitter(bits: bits, groupSize: 32), symmetric)
            try check(RoundToNearestFitter<AsymmetricQuantized>(bits: bits, groupSize: 32), asymmetric)
            try check(ScaleSearchFitter<AsymmetricQuantized>(bits: bits, groupSize: 32), asymmetric)
            try check(GPTQFitter<AsymmetricQuantized>(bits: bits, groupSize: 32), asymmetric)
            try check(AsymmetricQuantizedFitter(bits: bits, groupSize: 32), asymmetric)
        }
    }

    /// Where nothing can be learned from inputs, rounding is what is left.
    @Test func zeroGramAndFrobeniusFallBackToRounding() throws {
        let weight = Instances.random(6, 40)
        let zero = Objective.activations(try Gram(DoubleMatrix(rows: 40, columns: 40)))
        let rounded = try ScaleSearchFitter<Quantized>(bits: 3, groupSize: 16)
            .fit(weight, objective: .frobenius, size: Self.whole).matrix.dense()
        for objective in [zero, .frobenius] {
            for order in ColumnOrder.allCases {
                let fit = try GPTQFitter<Quantized>(bits: 3, groupSize: 16, order: order)
                    .fit(weight, objective: objective, size: Self.whole)
                #expect(fit.matrix.dense() == rounded)
            }
        }
    }

    /// Groups longer than the rows, a last group that is shorter, one row: in every order.
    @Test(arguments: ColumnOrder.allCases)
    func oddGroupsAreWhole(order: ColumnOrder) throws {
        for (rows, columns, groupSize) in [(1, 50, 16), (9, 50, 200), (300, 37, 5), (3, 130, 128), (1, 1, 1)] {
            let weight = Instances.random(rows, columns)
            let objective = Objective.activations(try Instances.correlatedGram(columns))
            for fit in [
                try GPTQFitter<Quantized>(bits: 4, groupSize: groupSize, order: order)
                    .fit(weight, objective: objective, size: .fraction(9)).erased,
                try GPTQFitter<AsymmetricQuantized>(bits: 4, groupSize: groupSize, order: order)
                    .fit(weight, objective: objective, size: .fraction(9)).erased,
            ] {
                #expect(fit.matrix.dense().isFinite)
                #expect(fit.relativeError < 0.05)
            }
        }
    }

    /// The descent never leaves a matrix worse than compensation did, and the more rounds the better.
    @Test(arguments: [2, 3, 4])
    func descentImproves(bits: Int) throws {
        for seed in 1...3 as ClosedRange<UInt64> {
            let weight = Instances.random(40, 96, seed: seed)
            let objective = Objective.activations(try Instances.correlatedGram(96, seed: seed))
            func descend<Form: GroupQuantized>(_ form: Form.Type) throws {
                let errors = try [0, 1, 10].map { rounds in
                    try QuantizationFitter<Form>(bits: bits, groupSize: 32, rounds: rounds)
                        .fit(weight, objective: objective, size: Self.whole).relativeError
                }
                #expect(errors[1] < 0.99 * errors[0])
                #expect(errors[2] <= errors[1])
            }
            try descend(Quantized.self)
            try descend(AsymmetricQuantized.self)
        }
    }

    /// More groups than are solved for together: codes alone improve.
    @Test func manyGroupsKeepTheirScales() throws {
        let weight = Instances.random(6, 300)
        let objective = Objective.activations(try Instances.correlatedGram(300))
        func errors<Form: GroupQuantized>(_ form: Form.Type) throws -> [Double] {
            try [0, 10].map { rounds in
                try QuantizationFitter<Form>(bits: 2, groupSize: 2, rounds: rounds)
                    .fit(weight, objective: objective, size: .fraction(9)).relativeError
            }
        }
        for found in [try errors(Quantized.self), try errors(AsymmetricQuantized.self)] {
            #expect(found[1] < found[0])
        }
    }

    @Test func zeroPointsHelpMostWithFewLevels() throws {
        let weight = Instances.random(20, 128)
        func ratio(_ bits: Int) throws -> Double {
            let symmetric = try ScaleSearchFitter<Quantized>(bits: bits, groupSize: 64)
                .fit(weight, objective: .frobenius, size: Self.whole)
            let asymmetric = try ScaleSearchFitter<AsymmetricQuantized>(bits: bits, groupSize: 64)
                .fit(weight, objective: .frobenius, size: Self.whole)
            return asymmetric.relativeError / symmetric.relativeError
        }
        #expect(try ratio(2) < 0.85)
        #expect(try ratio(4) < 1.05)
    }

    @Test func roundingWithZeroPointsIsWithinHalfAStep() throws {
        let weight = Instances.random(6, 40)
        for bits in Quantized.supportedBits {
            let dense = try RoundToNearestFitter<AsymmetricQuantized>(bits: bits, groupSize: 16)
                .fit(weight, objective: .frobenius, size: Self.whole).matrix.dense()
            for row in 0..<6 {
                for group in 0..<3 {
                    let columns = group * 16..<min(40, group * 16 + 16)
                    let values = columns.map { weight[row, $0] }
                    let (smallest, largest) = (min(0, values.min() ?? 0), max(0, values.max() ?? 0))
                    let step = (largest - smallest) / Float(1 << bits - 1)
                    // Half a step, half a unit of the zero point, and the rounding of the scale.
                    let bound = step / 2 + step * Float(1 << bits) / 512 + (largest - smallest) / 2048
                    for column in columns { #expect(abs(weight[row, column] - dense[row, column]) <= bound) }
                }
            }
        }
    }

    /// Weights at the ends of what floats can hold: no trap, and nothing that is not a number.
    @Test func hugeAndTinyWeightsAreNumbers() throws {
        for size: Float in [1e38, 1e30, 1e-30, 0x1p-140] {
            var weight = Instances.random(5, 48)
            for index in weight.elements.indices { weight.elements[index] = max(-3, min(3, weight.elements[index])) * size }
            for objective in try Instances.objectives(48) {
                func check(_ fitter: some Fitter) throws {
                    let fit = try fitter.fit(weight, objective: objective, size: Self.whole, context: FitContext())
                    #expect(fit.matrix.dense().isFinite, "\(fitter.method.name) \(size)")
                }
                for bits in [2, 4] {
                    try check(ScaleSearchFitter<Quantized>(bits: bits, groupSize: 16))
                    try check(GPTQFitter<Quantized>(bits: bits, groupSize: 16))
                    try check(QuantizedFitter(bits: bits, groupSize: 16))
                    try check(RoundToNearestFitter<AsymmetricQuantized>(bits: bits, groupSize: 16))
                    try check(AsymmetricQuantizedFitter(bits: bits, groupSize: 16))
                }
                try check(NormalFloatFitter(groupSize: 16))
                try check(TritPlaneFitter(planes: 2, groupSize: 16))
            }
        }
    }
}
