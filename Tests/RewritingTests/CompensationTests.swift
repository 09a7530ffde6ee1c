import Rewriting
import Tensors
import Testing

@Suite struct CompensationTests {
    @Test(arguments: Compensation.allCases, [1, 3])
    func theErrorIsWhatTokensShow(compensation: Compensation, unitSize: Int) throws {
        let planted = PlantedPart(tokens: 200, inputs: 12, outputs: 5, seed: 1)
        let part = try planted.part(unitSize: unitSize)
        let result = try compensation.apply(to: part, keeping: Array(0..<part.units - 1))
        let (expected, got) = (planted.measuredError(result), part.error(of: result))
        #expect(abs(expected - got) < 1e-9 * max(1, expected))
    }

    @Test func eachStepLowersTheError() throws {
        let part = try PlantedPart(tokens: 300, inputs: 16, outputs: 7, seed: 2).part()
        func error(_ compensation: Compensation) throws -> Double {
            part.error(of: try compensation.apply(to: part, keeping: [0, 2, 3, 5, 8, 13], relativeRidge: 0))
        }
        let (none, bias) = (try error(.none), try error(.bias))
        let (linear, affine) = (try error(.leastSquares), try error(.affine))
        #expect(bias < none)
        #expect(linear < none)
        #expect(affine < bias)
        #expect(affine < linear)
    }

    /// The gradient of the error with respect to the constant is zero (FLAP's "check it small").
    @Test(arguments: [Compensation.bias, .affine])
    func theConstantIsTheBestOne(compensation: Compensation) throws {
        let planted = PlantedPart(tokens: 100, inputs: 9, outputs: 4, seed: 3)
        let part = try planted.part()
        let result = try compensation.apply(to: part, keeping: [1, 4, 6])
        let offset = try #require(result.offset)
        for step in [-1e-3, 1e-3] {
            for row in offset.indices {
                var moved = offset
                moved[row] += step
                let other = Compensation.Result(inputs: result.inputs, weight: result.weight, offset: moved)
                #expect(part.error(of: other) > part.error(of: result))
            }
        }
    }

    @Test func aConstantChannelGoesWithoutLoss() throws {
        let planted = PlantedPart(PlantedPart(tokens: 80, inputs: 6, outputs: 3, seed: 4), setting: 2) { _ in 1.5 }
        let part = try planted.part()
        #expect(try UnitScore.fluctuation.scores(of: part)[2] < 1e-12)
        let result = try Compensation.bias.apply(to: part, keeping: [0, 1, 3, 4, 5])
        #expect(planted.measuredError(result) < 1e-20)
    }

    /// MoDeGPT's duplicated neuron.
    @Test(arguments: [Compensation.leastSquares, .affine])
    func aCopiedChannelGoesWithoutLoss(compensation: Compensation) throws {
        let base = PlantedPart(tokens: 80, inputs: 6, outputs: 3, seed: 5)
        let planted = PlantedPart(base, setting: 4) { $0[$0.startIndex + 1] }
        let result = try compensation.apply(to: planted.part(), keeping: [0, 1, 2, 3, 5], relativeRidge: 1e-12)
        #expect(planted.measuredError(result) < 1e-12)
    }

    @Test func keepingAllChangesNothing() throws {
        let planted = PlantedPart(tokens: 50, inputs: 8, outputs: 4, seed: 6)
        for compensation in Compensation.allCases {
            let result = try compensation.apply(to: planted.part(unitSize: 2), keeping: [3, 1, 0, 2])
            #expect(result.weight == planted.weight)
            #expect(result.offset?.allSatisfy { abs($0) < 1e-12 } ?? true)
        }
    }

    @Test func whatCannotBeIsRefused() throws {
        let planted = PlantedPart(tokens: 20, inputs: 6, outputs: 2, seed: 7)
        let part = try planted.part(unitSize: 2)
        #expect(throws: RewritingError.keepsNothing(part: "part", kept: 0, of: 3)) {
            try Compensation.none.apply(to: part, keeping: [])
        }
        #expect(throws: RewritingError.keepsNothing(part: "part", kept: 1, of: 3)) {
            try Compensation.none.apply(to: part, keeping: [3])
        }
        #expect(throws: RewritingError.invalidUnits(part: "part", inputs: 6, size: 4)) { try planted.part(unitSize: 4) }
        #expect(throws: RewritingError.momentsMismatch(part: "p", expected: 6, got: 1)) {
            try ReducedPart(
                name: "p", weight: planted.weight, unitSize: 1,
                moments: InputMoments(second: .identity(1), mean: [0]))
        }
        var bad = planted.weight
        bad[0, 0] = .nan
        #expect(throws: RewritingError.notFinite(part: "p", what: "the weight")) {
            try ReducedPart(name: "p", weight: bad, unitSize: 1, moments: InputMoments(inputs: planted.inputs))
        }
    }
}
