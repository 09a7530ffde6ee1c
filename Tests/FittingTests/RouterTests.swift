import Fitting
import Foundation
import Tensors
import Testing

/// Which experts a token needs, and a router that learns it.
@Suite struct RouterTests {
    /// Errors are those of the sums themselves; the best choice is the best of all.
    @Test func choicesByBruteForce() {
        for seed in 1...5 {
            let parts = Instances.random(6, 9, seed: UInt64(seed))
            let target = Instances.random(1, 9, seed: UInt64(seed + 20)).elements
            let choice = ExpertChoice(target: target, parts: parts)
            func error(_ chosen: [Int]) -> Double {
                (0..<9).reduce(0.0) { sum, feature in
                    let rest = chosen.reduce(Double(target[feature])) { $0 - Double(parts[$1, feature]) }
                    return sum + rest * rest
                }
            }
            for count in 1...6 {
                let all = (0..<1 << 6).map { mask in (0..<6).filter { mask >> $0 & 1 == 1 } }.filter { $0.count == count }
                for chosen in all { #expect(abs(choice.error(chosen) - error(chosen)) < 1e-9 * error([])) }
                let best = choice.best(count)
                #expect(best.count == count && best == best.sorted())
                #expect(all.allSatisfy { error(best) <= error($0) + 1e-9 })
                guard count > 1 else { continue }
                let shared = choice.best(count, shared: 2)
                #expect(shared.starts(with: [0, 1]))
                #expect(all.allSatisfy { !$0.starts(with: [0, 1]) || error(shared) <= error($0) + 1e-9 })
            }
        }
    }

    /// Of too many choices the one of greedy removal: exact where parts do not overlap.
    @Test func manyExpertsAreRemovedOneByOne() {
        let sizes = (0..<24).map { Float(($0 * 7) % 24) + 1 }
        let parts = Matrix(rows: 24, columns: 24) { $0 == $1 ? sizes[$0] : 0 }
        let choice = ExpertChoice(target: sizes, parts: parts)
        #expect(choice.best(10) == (0..<24).filter { sizes[$0] > 14 })
        #expect(choice.best(10, shared: 3) == [0, 1, 2] + (3..<24).sorted { sizes[$0] > sizes[$1] }.prefix(7).sorted())
        #expect(choice.error(choice.best(24)) == 0)
    }

    private static func divergence(_ router: ExpertRouter, _ inputs: Matrix, _ labels: [[Int]]) -> Double {
        (0..<inputs.rows).reduce(0.0) { sum, token in
            let scores = (0..<router.weight.rows).map { expert in
                Double(router.bias[expert])
                    + zip(router.weight.row(expert), inputs.row(token)).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            }
            let most = scores.max() ?? 0
            let normaliser = most + log(scores.reduce(0.0) { $0 + exp($1 - most) })
            let share = 1 / Double(labels[token].count)
            return sum + labels[token].reduce(0.0) { $0 + share * (log(share) - scores[$1] + normaliser) }
        } / Double(inputs.rows)
    }

    private static func instance(_ tokens: Int) -> (inputs: Matrix, labels: [[Int]]) {
        let noise = Instances.random(tokens, 12, seed: 4)
        let inputs = Matrix(rows: tokens, columns: 12) { 3 + Float($1 + 1) * noise[$0, $1] }
        let rule = Instances.random(5, 12, seed: 5)
        let labels = (0..<tokens).map { token in
            let scores = (0..<5).map { expert in (0..<12).reduce(Float(0)) { $0 + rule[expert, $1] * noise[token, $1] } }
            return Array(scores.indices.sorted { scores[$0] > scores[$1] }.prefix(2))
        }
        return (inputs, labels)
    }

    /// Labels that a linear rule made are learned, on inputs of other means and sizes, and hold for new tokens.
    @Test func aLinearRuleIsLearned() throws {
        let (inputs, labels) = Self.instance(3000)
        let (train, test) = (0..<2000, 2000..<3000)
        let router = try RouterFitter(penalty: 1e-4, iterations: 300).fit(
            inputs.block(rows: train, columns: 0..<12), labels: Array(labels[train]), experts: 5)
        let right = test.count { token in
            let scores = (0..<5).map { expert in
                router.bias[expert] + zip(router.weight.row(expert), inputs.row(token)).reduce(0) { $0 + $1.0 * $1.1 }
            }
            return Set(scores.indices.sorted { scores[$0] > scores[$1] }.prefix(2)) == Set(labels[token])
        }
        #expect(right > 850)
    }

    /// Without a penalty no small step in any direction lowers the divergence.
    @Test func theRouterIsTheLeast() throws {
        let inputs = Instances.random(300, 4, seed: 8)
        let labels = (0..<300).map { [($0 * $0 + 3) % 3] }
        let router = try RouterFitter(penalty: 0, iterations: 500).fit(inputs, labels: labels, experts: 3)
        let least = Self.divergence(router, inputs, labels)
        #expect(least < Self.divergence(ExpertRouter(weight: Matrix(rows: 3, columns: 4), bias: [0, 0, 0]), inputs, labels))
        for index in 0..<12 {
            for step: Float in [-0.05, 0.05] {
                var weight = router.weight
                weight.elements[index] += step
                #expect(Self.divergence(ExpertRouter(weight: weight, bias: router.bias), inputs, labels) > least - 1e-6)
            }
        }
    }

    @Test func weightsCountTokens() throws {
        let (inputs, labels) = Self.instance(400)
        let weights = (0..<400).map { $0 < 200 ? 1.0 : 0 }
        let half = try RouterFitter().fit(
            inputs.block(rows: 0..<200, columns: 0..<12), labels: Array(labels[..<200]), experts: 5)
        let weighted = try RouterFitter().fit(inputs, labels: labels, weights: weights, experts: 5)
        let first = inputs.block(rows: 0..<200, columns: 0..<12)
        let difference = Self.divergence(weighted, first, Array(labels[..<200])) - Self.divergence(half, first, Array(labels[..<200]))
        #expect(abs(difference) < 0.01)
    }

    @Test func whatCannotBeLearnedIsRefused() throws {
        let inputs = Instances.random(3, 2)
        #expect(throws: FittingError.self) { try RouterFitter().fit(inputs, labels: [[0], [1]], experts: 2) }
        #expect(throws: FittingError.self) { try RouterFitter().fit(Matrix(rows: 0, columns: 2), labels: [], experts: 2) }
        #expect(
            throws: FittingError.invalidOption(fitter: "router", option: "labels", expected: "0 to 1", got: 2)
        ) { try RouterFitter().fit(inputs, labels: [[0], [1], [2]], experts: 2) }
        var broken = inputs
        broken[1, 1] = .nan
        #expect(throws: FittingError.notFiniteWeight(matrix: "matrix", row: 1, column: 1)) {
            try RouterFitter().fit(broken, labels: [[0], [1], [0]], experts: 2)
        }
    }
}
