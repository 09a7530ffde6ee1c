import Fitting
import StructuredMatrices
import Tensors
import Testing

@Suite struct TritPlaneFitterTests {
    static let budget = SizeBudget.fraction(4)

    /// A matrix that is a sum of ternary planes comes back exactly.
    @Test(arguments: [1, 2])
    func plantedPlanesAreRecovered(planes: Int) throws {
        var generator = SeededGenerator(seed: 1, stream: "planted")
        let shape = MatrixShape(rows: 12, columns: 256)
        let planted = try TritPlanes(
            trits: (0..<planes * shape.count).map { _ in Int8(Int.random(in: -1...1, using: &generator)) },
            scales: (0..<planes * 12 * 2).map { $0 < 24 ? 0.75 + Float($0 % 5) / 8 : 0.25 }, planes: planes,
            shape: shape, groupSize: 128)
        let fit = try TritPlaneFitter(planes: planes).fit(
            planted.dense(), objective: .frobenius, size: Self.budget)
        #expect(fit.relativeError == 0)
    }

    @Test func everyPlaneHelpsAndOneBeatsRoundingToTheMean() throws {
        let weight = Instances.random(24, 256)
        var errors = try [1, 2, 3].map { planes in
            try TritPlaneFitter(planes: planes).fit(weight, objective: .frobenius, size: Self.budget).relativeError
        }
        // Ternary weights scaled by the mean of the absolute values (BitNet b1.58, arXiv 2402.17764), group by group.
        var (error, norm) = (0.0, 0.0)
        for start in stride(from: 0, to: weight.count, by: 128) {
            let group = weight.elements[start..<start + 128]
            let scale = group.reduce(0) { $0 + abs($1) } / 128
            for weight in group {
                let difference = Double(weight - scale * max(-1, min(1, (weight / scale).rounded())))
                error += difference * difference
                norm += Double(weight) * Double(weight)
            }
        }
        errors.insert(error / norm, at: 0)
        for (fewer, more) in zip(errors, errors.dropFirst()) { #expect(more < 0.95 * fewer) }
    }

    /// Weights of inputs that matter more are closer.
    @Test func importantInputsCount() throws {
        let weight = Instances.random(16, 64)
        let gram = try Gram(DoubleMatrix(rows: 64, columns: 64) { $0 != $1 ? 0 : $0 % 8 == 3 ? 100 : 1 })
        let weighted = try TritPlaneFitter(planes: 2, groupSize: 32).fit(
            weight, objective: .activations(gram), size: Self.budget)
        let plain = try TritPlaneFitter(planes: 2, groupSize: 32).fit(
            weight, objective: .frobenius, size: Self.budget)
        let plainError = try Objective.activations(gram).error(of: plain.matrix.dense(), for: weight)
        #expect(weighted.relativeError < 0.8 * plainError)
    }

    @Test(arguments: [1, 2])
    func compensationHelps(planes: Int) throws {
        for (rows, columns) in [(24, 96), (1, 50), (70, 130)] {
            let weight = Instances.random(rows, columns)
            let objective = Objective.activations(try Instances.correlatedGram(columns))
            func fit(_ compensated: Bool) throws -> Fit<TritPlanes> {
                try TritPlaneFitter(planes: planes, groupSize: 32, compensated: compensated)
                    .fit(weight, objective: objective, size: Self.budget)
            }
            let (plain, moved) = (try fit(false), try fit(true))
            #expect(moved.relativeError < (rows > 1 ? 0.8 : 1) * plain.relativeError)
            #expect(moved.trace == [plain.relativeError, moved.relativeError])
        }
    }

    @Test func budgetChoosesThePlanes() throws {
        let weight = Instances.random(16, 128)
        for (bytes, planes) in [(16 * 34, 1), (2 * 16 * 34 - 1, 1), (2 * 16 * 34, 2), (1 << 20, 4)] {
            let fit = try TritPlaneFitter().fit(weight, objective: .frobenius, size: .storedBytes(bytes))
            #expect(fit.matrix.planes == planes)
        }
        #expect(throws: FittingError.self) {
            try TritPlaneFitter().fit(weight, objective: .frobenius, size: .storedBytes(16 * 34 - 1))
        }
        #expect(throws: FittingError.self) {
            try TritPlaneFitter(planes: 5).fit(weight, objective: .frobenius, size: Self.budget)
        }
        #expect(throws: FittingError.self) {
            try TritPlaneFitter(groupSize: 0).fit(weight, objective: .frobenius, size: Self.budget)
        }
    }
}

/// Planes whose scales are powers of three of one.
@Suite struct TiedTritPlaneFitterTests {
    static let budget = SizeBudget.fraction(4)

    @Test(arguments: [1, 2, 3])
    func scalesAreTiedExactlyAndCodesFold(planes: Int) throws {
        let weight = Instances.random(12, 96)
        for objective in try Instances.objectives(96) {
            let fit = try TiedTritPlaneFitter(planes: planes, groupSize: 32).fit(weight, objective: objective, size: Self.budget)
            let matrix = fit.matrix
            let scales = matrix.scales.map(HalfFloat.value(of:))
            let groups = scales.count / planes
            for plane in 1..<planes {
                for group in 0..<groups {
                    #expect(scales[(plane - 1) * groups + group] == 3 * scales[plane * groups + group])
                }
            }
            // One integer for each weight, whose balanced ternary digits the trits are.
            let dense = matrix.dense()
            let bytes = matrix.trits.withBytes { Array($0) }
            for row in 0..<12 {
                for column in 0..<96 {
                    let code = (0..<planes).reduce(0) { code, plane in
                        let packed = bytes[(plane * 12 + row) * 24 + column / 4]
                        return 3 * code + Int(packed >> UInt8(column % 4 * 2) & 3) - 2
                    }
                    #expect(dense[row, column] == Float(code) * scales[(planes - 1) * groups + row * 3 + column / 32])
                }
            }
        }
    }

    /// Weights on nine evenly spaced levels come back exactly, which free scales cannot better.
    @Test func evenLevelsAreRecovered() throws {
        var generator = SeededGenerator(seed: 2, stream: "planted")
        let weight = Matrix(rows: 8, columns: 128) { _, _ in Float(Int.random(in: -4...4, using: &generator)) / 8 }
        let fit = try TiedTritPlaneFitter(planes: 2).fit(weight, objective: .frobenius, size: Self.budget)
        #expect(fit.relativeError == 0)
    }

    /// On normal weights one scale for each group serves about as well as two.
    @Test func littleIsLostByTying() throws {
        let weight = Instances.random(24, 256)
        let free = try TritPlaneFitter(planes: 2).fit(weight, objective: .frobenius, size: Self.budget)
        let tied = try TiedTritPlaneFitter(planes: 2).fit(weight, objective: .frobenius, size: Self.budget)
        #expect(tied.relativeError < 1.2 * free.relativeError)
        #expect(throws: FittingError.invalidOption(fitter: "trit-planes-tied", option: "planes", expected: "1 to 4", got: 5)) {
            try TiedTritPlaneFitter(planes: 5).fit(weight, objective: .frobenius, size: Self.budget)
        }
    }
}
