import Compression
import Tensors
import Testing

@Suite struct AllocatorTests {
    static func table(matrices: Int, choices: Int, seed: UInt64) -> [[AllocationChoice]] {
        var generator = SeededGenerator(seed: seed)
        return (0..<matrices).map { _ in
            (0..<choices).map { _ in
                AllocationChoice(cost: 1 + generator.nextInteger(below: 50), damage: generator.nextUniform())
            }
        }
    }

    static func exhaustive(_ table: [[AllocationChoice]], budget: Int) -> Double {
        var best = Double.infinity
        func visit(_ matrix: Int, _ cost: Int, _ damage: Double) {
            guard cost <= budget, damage < best else { return }
            guard matrix < table.count else {
                best = damage
                return
            }
            for choice in table[matrix] { visit(matrix + 1, cost + choice.cost, damage + choice.damage) }
        }
        visit(0, 0, 0)
        return best
    }

    @Test(arguments: UInt64(1)...12)
    func findsTheOptimumOfSmallInstances(seed: UInt64) throws {
        let table = Self.table(matrices: 6, choices: 5, seed: seed)
        let smallest = table.reduce(0) { $0 + ($1.map(\.cost).min() ?? 0) }
        for budget in [smallest, smallest + 7, smallest + 40, smallest + 500] {
            let answer = try Allocator().solve(table, budget: budget, quantity: "bytes")
            let optimum = Self.exhaustive(table, budget: budget)
            #expect(answer.cost <= budget)
            #expect(abs(answer.damage - optimum) < 1e-12)
            #expect(answer.lowerBound <= optimum + 1e-12)
        }
    }

    @Test func staysNearTheBoundOnLargeInstances() throws {
        let table = Self.table(matrices: 120, choices: 20, seed: 3).map { $0.map {
            AllocationChoice(cost: $0.cost * 1_000_003, damage: $0.damage)
        } }
        let answer = try Allocator().solve(table, budget: 2_000_000_000, quantity: "bytes")
        #expect(answer.cost <= 2_000_000_000)
        #expect(answer.damage <= answer.lowerBound * 1.01)
    }

    @Test func anImpossibleBudgetNamesTheSmallest() {
        let table = [[AllocationChoice(cost: 10, damage: 1)], [AllocationChoice(cost: 5, damage: 0)]]
        #expect(throws: CompressionError.budgetTooSmall(quantity: "bytes", budget: 14, smallest: 15)) {
            try Allocator().solve(table, budget: 14, quantity: "bytes")
        }
    }
}
