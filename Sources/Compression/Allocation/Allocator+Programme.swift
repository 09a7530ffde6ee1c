import Tensors

extension Allocator {
    /// Dynamic programming over rounded costs; nil when rounding up leaves nothing feasible.
    func programme(_ table: [[AllocationChoice]], budget: Int) -> [Int]? {
        guard budget > 0 else { return nil }
        let bins = resolution
        /// In bins, rounded up; one too many for what exceeds the budget by itself.
        func rounded(_ cost: Int) -> Int {
            guard cost <= budget else { return bins + 1 }
            let (product, overflow) = cost.multipliedReportingOverflow(by: bins)
            if overflow { return Int((Double(cost) / Double(budget) * Double(bins)).rounded(.up)) }
            return product / budget + (product % budget == 0 ? 0 : 1)
        }
        // What the cheapest choices of the matrices so far take, and those of the others will, bounds the totals to look at.
        let steps = table.map { $0.map { rounded($0.cost) } }
        var taken = 0
        var wanted = steps.reduce(0) { $0 + ($1.min() ?? 0) }
        guard wanted <= bins else { return nil }
        var best = [Double](repeating: .infinity, count: bins + 1)
        best[0] = 0
        var decisions: [[UInt16]] = []
        for (choices, steps) in zip(table, steps) {
            let totals = taken...bins - wanted
            taken += steps.min() ?? 0
            wanted -= steps.min() ?? 0
            var next = [Double](repeating: .infinity, count: bins + 1)
            var decision = [UInt16](repeating: .max, count: bins + 1)
            for (index, choice) in choices.enumerated() where index < Int(UInt16.max) {
                let first = totals.lowerBound + steps[index]
                let count = min(totals.upperBound + steps[index], bins - wanted) + 1 - first
                guard count > 0 else { continue }
                next.withUnsafeMutableBufferPointer { next in
                    decision.withUnsafeMutableBufferPointer { decision in
                        guard let next = next.baseAddress, let decision = decision.baseAddress else { return }
                        best.withUnsafeBufferPointer { best in
                            guard let best = best.baseAddress else { return }
                            Kernels.best.relax(
                                best + totals.lowerBound, choice.damage, UInt16(index), next + first, decision + first, count)
                        }
                    }
                }
            }
            best = next
            decisions.append(decision)
        }
        guard var total = best.indices.min(by: { best[$0] < best[$1] }), best[total] < .infinity else {
            return nil
        }
        var choices = [Int](repeating: 0, count: table.count)
        for matrix in table.indices.reversed() {
            choices[matrix] = Int(decisions[matrix][total])
            total -= steps[matrix][choices[matrix]]
        }
        return choices
    }

    /// Improves a solution within the budgets by changing one or two matrices at a time, until nothing helps.
    func exchange(
        _ start: [Int], _ table: [[AllocationChoice]], budget: Int, second: Int = .max
    ) -> [Int] {
        var choices = start
        var room = budget - cost(start, table)
        var secondRoom = second == .max ? .max : second - secondCost(start, table)
        for _ in 0..<50 {
            var improved = false
            for first in table.indices {
                let current = table[first][choices[first]]
                var best: (gain: Double, moves: [(Int, Int)])?
                for (index, option) in table[first].enumerated() where index != choices[first] {
                    let gain = current.damage - option.damage
                    let extra = option.cost - current.cost
                    let secondExtra = option.secondCost - current.secondCost
                    if extra <= room, secondExtra <= secondRoom {
                        if gain > (best?.gain ?? 1e-15) { best = (gain, [(first, index)]) }
                        continue
                    }
                    guard gain > 0 else { continue }
                    for other in table.indices where other != first {
                        let now = table[other][choices[other]]
                        for (otherIndex, then) in table[other].enumerated()
                        where extra + then.cost - now.cost <= room
                            && secondExtra + then.secondCost - now.secondCost <= secondRoom
                        {
                            let total = gain + now.damage - then.damage
                            if total > (best?.gain ?? 1e-15) {
                                best = (total, [(first, index), (other, otherIndex)])
                            }
                        }
                    }
                }
                guard let best else { continue }
                for (matrix, index) in best.moves {
                    let (now, then) = (table[matrix][choices[matrix]], table[matrix][index])
                    room -= then.cost - now.cost
                    if secondRoom != .max { secondRoom -= then.secondCost - now.secondCost }
                    choices[matrix] = index
                }
                improved = true
            }
            if !improved { break }
        }
        return choices
    }
}
