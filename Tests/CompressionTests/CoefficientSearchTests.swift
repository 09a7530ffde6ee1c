import Compression
import Foundation
import Tensors
import Testing

/// The search over coefficients, on a table whose true damages are known and hidden from the estimates.
@Suite struct CoefficientSearchTests {
    private struct Problem {
        let estimated: [[AllocationChoice]]
        let budget: Int
        /// What matrices' estimates have to be multiplied by to be true.
        let truth: [Double]
        let start: [Int]

        init(seed: UInt64, matrices: Int = 20) throws {
            var generator = SeededGenerator(seed: seed)
            estimated = (0..<matrices).map { _ in
                let slope = exp(generator.nextNormal())
                return (1...8).map { AllocationChoice(cost: 10 * $0, damage: slope * pow(2, -Double($0))) }
            }
            budget = 40 * matrices
            truth = (0..<matrices).map { _ in exp(1.5 * generator.nextNormal()) }
            start = try Allocator().solve(estimated, budget: budget, quantity: "bytes").choices
        }

        func solve(_ coefficients: [Double]) throws -> [Int] {
            let table = zip(estimated, coefficients).map { row, coefficient in
                row.map { AllocationChoice(cost: $0.cost, damage: coefficient * $0.damage) }
            }
            return try Allocator().solve(table, budget: budget, quantity: "bytes").choices
        }

        func measure(_ choices: [Int]) -> Double {
            choices.indices.reduce(0) { $0 + truth[$1] * estimated[$1][choices[$1]].damage }
        }

        func optimum() throws -> Double { measure(try solve(truth)) }
    }

    @Test(arguments: UInt64(1)...6)
    func comesCloserThanItsStart(seed: UInt64) throws {
        let problem = try Problem(seed: seed)
        var calls: [(Int, Int)] = []
        let found = try CoefficientSearch(evaluations: 96, seed: seed)(
            from: problem.start, solve: problem.solve, measure: { problem.measure($0) },
            progress: { calls.append(($0, $1)) })
        let (start, optimum) = (problem.measure(problem.start), try problem.optimum())
        #expect(found.evaluations <= 96 && calls.map(\.0) == Array(calls.indices).map { $0 + 2 })
        #expect(calls.allSatisfy { $0.1 == 96 })
        let last = try #require(found.steps.last)
        // At least a third of what can be won.
        #expect(last.distance <= start - (start - optimum) / 3)
        #expect(last.distance >= optimum * (1 - 1e-9))
        // Every step is closer than the one before, and its coefficients give its choice.
        var distance = start
        for step in found.steps {
            #expect(step.distance == problem.measure(step.choices) && step.distance < distance)
            #expect(try problem.solve(step.coefficients) == step.choices)
            distance = step.distance
        }
    }

    @Test func isNeverWorseThanItsStart() throws {
        let problem = try Problem(seed: 3)
        // Only the start is any good.
        let found = try CoefficientSearch(evaluations: 40)(
            from: problem.start, solve: problem.solve, measure: { $0 == problem.start ? 1 : 2 })
        #expect(found.steps.isEmpty && found.evaluations > 1)
        let broken = try CoefficientSearch(evaluations: 40)(
            from: problem.start, solve: problem.solve, measure: { $0 == problem.start ? 1 : .infinity })
        #expect(broken.steps.isEmpty)
    }

    @Test func measuresNothingTwiceAndEndsWhereThereIsOneChoice() throws {
        var measured: [[Int]] = []
        let problem = try Problem(seed: 5, matrices: 3)
        _ = try CoefficientSearch(evaluations: 60)(
            from: problem.start, solve: problem.solve,
            measure: {
                measured.append($0)
                return problem.measure($0)
            })
        #expect(Set(measured).count == measured.count)
        let alone = try CoefficientSearch(evaluations: 60)(from: [0, 0], solve: { _ in [0, 0] }, measure: { _ in 1 })
        #expect(alone.evaluations == 1)
        #expect(try CoefficientSearch()(from: [], solve: { _ in [] }, measure: { _ in 0 }).steps.isEmpty)
    }

    /// What a part of the sample tells as well as the whole changes nothing but how much is measured.
    @Test(arguments: UInt64(1)...4)
    func whatIsFarOnAPartIsNotMeasuredWhole(seed: UInt64) throws {
        let problem = try Problem(seed: seed)
        func run(glimpse: @escaping ([Int]) -> Double?) throws -> (outcome: CoefficientSearch.Outcome, measured: Int) {
            var measured = 0
            let outcome = try CoefficientSearch(evaluations: 96, seed: seed)(
                from: problem.start, solve: problem.solve, glimpse: glimpse,
                measure: {
                    measured += 1
                    return problem.measure($0)
                })
            return (outcome, measured)
        }
        let whole = try run { _ in nil }
        let glimpsed = try run { problem.measure($0) / 3 }
        #expect(glimpsed.outcome.steps.map(\.choices) == whole.outcome.steps.map(\.choices))
        #expect(glimpsed.outcome.evaluations == whole.outcome.evaluations)
        #expect(glimpsed.measured < whole.measured && glimpsed.measured > whole.outcome.steps.count)
        // Where everything but the start looks worse, or is no number, only the start is measured.
        #expect(try run { $0 == problem.start ? 1 : 2 }.measured == 1)
        #expect(try run { $0 == problem.start ? 1 : .nan }.measured == 1)
    }

    @Test func theSeedDecides() throws {
        let problem = try Problem(seed: 8)
        func run(_ seed: UInt64) throws -> [Double] {
            try CoefficientSearch(evaluations: 30, seed: seed)(
                from: problem.start, solve: problem.solve, measure: { problem.measure($0) }).steps.last?.coefficients ?? []
        }
        #expect(try run(1) == run(1))
        #expect(try run(1) != run(2))
    }
}
