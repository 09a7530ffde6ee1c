import Compression
import Tensors
import Testing

/// Two budgets at once, against every combination there is.
@Suite struct TwoBudgetAllocatorTests {
    static func table(matrices: Int, choices: Int, seed: UInt64) -> [[AllocationChoice]] {
        var generator = SeededGenerator(seed: seed)
        return (0..<matrices).map { _ in
            (0..<choices).map { _ in
                AllocationChoice(
                    cost: 1 + generator.nextInteger(below: 50),
                    secondCost: 1 + generator.nextInteger(below: 70),
                    damage: generator.nextUniform())
            }
        }
    }

    /// The least damage within both budgets; nil when nothing is.
    static func exhaustive(_ table: [[AllocationChoice]], _ budget: Int, _ second: Int) -> Double? {
        var best: Double?
        func visit(_ matrix: Int, _ cost: Int, _ secondCost: Int, _ damage: Double) {
            guard cost <= budget, secondCost <= second, damage < best ?? .infinity else { return }
            guard matrix < table.count else {
                best = damage
                return
            }
            for choice in table[matrix] {
                visit(matrix + 1, cost + choice.cost, secondCost + choice.secondCost, damage + choice.damage)
            }
        }
        visit(0, 0, 0, 0)
        return best
    }

    static func limits(_ budget: Int, _ second: Int) -> (AllocationLimit, AllocationLimit) {
        (AllocationLimit(budget, "bytes"), AllocationLimit(second, "nanoseconds"))
    }

    @Test(arguments: UInt64(1)...30)
    func theOptimumLiesBetweenBoundAndAnswer(seed: UInt64) throws {
        let table = Self.table(matrices: 6, choices: 5, seed: seed)
        let least = table.reduce(0) { $0 + ($1.map { $0.cost }.min() ?? 0) }
        let leastSecond = table.reduce(0) { $0 + ($1.map { $0.secondCost }.min() ?? 0) }
        for (room, secondRoom) in [(40, 60), (80, 40), (30, 120), (150, 150), (400, 400), (60, 500)] {
            let (budget, second) = (least + room, leastSecond + secondRoom)
            guard let optimum = Self.exhaustive(table, budget, second) else { continue }
            let limits = Self.limits(budget, second)
            let answer = try Allocator().solve(table, limit: limits.0, second: limits.1)
            #expect(answer.cost <= budget && answer.secondCost <= second)
            #expect(answer.lowerBound <= optimum + 1e-12)
            #expect(answer.damage >= optimum - 1e-12)
            // What the answer says of itself holds: cost and damage are those of its choices.
            let chosen = zip(table, answer.choices).map { $0[$1] }
            #expect(answer.cost == chosen.reduce(0) { $0 + $1.cost })
            #expect(answer.secondCost == chosen.reduce(0) { $0 + $1.secondCost })
            #expect(abs(answer.damage - chosen.reduce(0) { $0 + $1.damage }) < 1e-12)
        }
    }

    @Test func mostAnswersAreTheOptimum() throws {
        var (instances, optimal, excess) = (0, 0, 0.0)
        for seed in UInt64(1)...60 {
            let table = Self.table(matrices: 6, choices: 5, seed: 1000 + seed)
            guard let optimum = Self.exhaustive(table, 100, 130) else { continue }
            let limits = Self.limits(100, 130)
            let answer = try Allocator().solve(table, limit: limits.0, second: limits.1)
            instances += 1
            if answer.damage <= optimum + 1e-12 { optimal += 1 }
            excess += (answer.damage - optimum) / optimum
        }
        #expect(instances >= 30)
        #expect(Double(optimal) >= 0.8 * Double(instances))
        #expect(excess / Double(instances) < 0.02)
    }

    @Test func staysNearTheBoundOnLargeInstances() throws {
        let table = Self.table(matrices: 80, choices: 20, seed: 3).map {
            $0.map {
                AllocationChoice(
                    cost: $0.cost * 1_000_003, secondCost: $0.secondCost * 7919, damage: $0.damage)
            }
        }
        let limits = Self.limits(1_500_000_000, 15_000_000)
        let answer = try Allocator().solve(table, limit: limits.0, second: limits.1)
        #expect(answer.cost <= limits.0.amount && answer.secondCost <= limits.1.amount)
        #expect(answer.damage <= answer.lowerBound * 1.02)
    }

    @Test func aSecondBudgetThatDoesNotBindChangesNothing() throws {
        let table = Self.table(matrices: 8, choices: 6, seed: 5)
        let alone = try Allocator().solve(table, budget: 150, quantity: "bytes")
        let limits = Self.limits(150, 1_000_000)
        #expect(try Allocator().solve(table, limit: limits.0, second: limits.1) == alone)
        #expect(try Allocator().solve(table, limit: limits.0, second: nil) == alone)
        let swapped = Self.limits(1_000_000, 150)
        let other = try Allocator().solve(table, limit: swapped.0, second: swapped.1)
        #expect(other.secondCost <= 150)
    }

    @Test func impossibleBudgetsSayWhichAndHowFar() {
        let table = [
            [
                AllocationChoice(cost: 10, secondCost: 1, damage: 0),
                AllocationChoice(cost: 1, secondCost: 10, damage: 0),
            ]
        ]
        func error(_ budget: Int, _ second: Int) -> CompressionError? {
            let limits = Self.limits(budget, second)
            do {
                _ = try Allocator().solve(table, limit: limits.0, second: limits.1)
                return nil
            } catch { return error as? CompressionError }
        }
        #expect(error(0, 100) == .budgetTooSmall(quantity: "bytes", budget: 0, smallest: 1))
        #expect(error(100, 0) == .budgetTooSmall(quantity: "nanoseconds", budget: 0, smallest: 1))
        let together = error(5, 5)
        #expect(
            together
                == .budgetsTooSmallTogether(
                    quantity: "bytes", budget: 5, second: "nanoseconds", secondBudget: 5, smallest: 10))
        #expect(
            together?.description
                == "the budgets of 5 bytes and 5 nanoseconds cannot be met together: "
                + "within the first, these families reach 10 nanoseconds")
    }
}
