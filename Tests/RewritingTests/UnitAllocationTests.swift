import Rewriting
import Tensors
import Testing

@Suite struct UnitAllocationTests {
    @Test(arguments: [0.02, 0.1, 1, 1e6])
    func softmaxSharesAverageTheTarget(epsilon: Double) {
        let importance = [0.3, 0.05, 0.02, 0.08, 0.5]
        for share in [0.9, 0.7, 0.5, 0.2] {
            let shares = SharesByBlock.softmax(epsilon: epsilon).shares(keeping: share, importance: importance)
            #expect(abs(shares.reduce(0, +) / 5 - share) < 1e-9)
            #expect(shares.allSatisfy { $0 >= 0.1 - 1e-9 && $0 <= 1 })
            #expect(zip([4, 0, 3, 1], [0, 3, 1, 2]).allSatisfy { shares[$0] >= shares[$1] - 1e-12 })
        }
        let wide = SharesByBlock.softmax(epsilon: 1e9).shares(keeping: 0.6, importance: importance)
        #expect(wide.allSatisfy { abs($0 - 0.6) < 1e-6 })
    }

    @Test func sigmoidSharesAverageTheTarget() {
        let importance = [0.3, 0.05, 0.02, 0.08, 0.5]
        for share in [0.9, 0.7, 0.5, 0.2] {
            let shares = SharesByBlock.sigmoid().shares(keeping: share, importance: importance)
            #expect(abs(shares.reduce(0, +) / 5 - share) < 1e-9)
            #expect(shares.allSatisfy { $0 > 0 && $0 < 1 })
            #expect(shares[2] == shares.min() && shares[4] == shares.max())
        }
        let flat = SharesByBlock.sigmoid(steepness: 0).shares(keeping: 0.6, importance: importance)
        #expect(flat.allSatisfy { abs($0 - 0.6) < 1e-12 })
    }

    private func groups(seed: UInt64) -> [UnitGroup] {
        var generator = SeededGenerator(seed: seed, stream: "groups")
        return (0..<4).map { index in
            let heads = index % 2 == 0
            let scores = (0..<(heads ? 6 : 40)).map { _ in Double(generator.nextUniform()) + Double(index) }
            return UnitGroup(block: index / 2, kind: heads ? .head : .neuron, scores: scores, price: heads ? 16 : 3)
        }
    }

    private func price(_ kept: [[Int]], _ groups: [UnitGroup]) -> Double {
        zip(kept, groups).reduce(0) { $0 + Double($1.0.count) * $1.1.price }
    }

    @Test(arguments: PooledAllocation.Scale.allCases)
    func pooledRemovalStopsWithinOneUnit(scale: PooledAllocation.Scale) throws {
        let groups = groups(seed: 1)
        let whole = groups.reduce(0) { $0 + Double($1.units) * $1.price }
        for share in [0.9, 0.6, 0.4] {
            let kept = try PooledAllocation(scale).kept(share, of: groups)
            let left = price(kept, groups)
            #expect(left <= share * whole + 1e-9)
            #expect(left > share * whole - 16)
            #expect(kept.allSatisfy { !$0.isEmpty })
        }
    }

    /// NIRVANA's check: what goes is the share asked for within one unit, and equal shares at gamma 1.
    @Test(arguments: [1.0, 3.0, 1e3])
    func splitSharesAreRelatedByGamma(gamma: Double) throws {
        let groups = groups(seed: 2)
        let whole = groups.reduce(0) { $0 + Double($1.units) * $1.price }
        let kept = try SplitAllocation(gamma: gamma).kept(0.7, of: groups)
        #expect(price(kept, groups) <= 0.7 * whole + 1e-9)
        #expect(price(kept, groups) > 0.7 * whole - 16 - 3)
        func removed(_ indices: [Int]) -> Double {
            1 - Double(indices.reduce(0) { $0 + kept[$1].count }) / Double(indices.reduce(0) { $0 + groups[$1].units })
        }
        let (heads, neurons) = (removed([0, 2]), removed([1, 3]))
        #expect(abs(heads - neurons / gamma) < 0.1)
    }

    @Test func uniformKeepsTheBest() throws {
        let group = UnitGroup(block: 0, scores: [3, 1, 4, 1, 5, 9, 2, 6], price: 1, multiple: 2)
        #expect(try UniformAllocation().kept(0.5, of: [group]) == [[2, 4, 5, 7]])
        #expect(try UniformAllocation().kept(0.3, of: [group]) == [[5, 7]])
        #expect(try UniformAllocation().kept(1, of: [group]) == [Array(0..<8)])
    }

    /// Where rounding keeps too much, equal parts give together.
    @Test func uniformLeavesEqualPartsEqual() throws {
        let groups = (0..<3).map { UnitGroup(block: $0, scores: (0..<1024).map(Double.init), price: 2, multiple: 8) }
        #expect(try UniformAllocation().kept(0.7, of: groups).map(\.count) == [712, 712, 712])
    }

    @Test func whatCannotBeReachedIsSaid() {
        let group = UnitGroup(block: 0, scores: [1, 2, 3, 4], price: 1, least: 2)
        #expect(throws: RewritingError.unreachable(target: "30.0 %", least: "50.0 %")) {
            try UniformAllocation().kept(0.3, of: [group])
        }
        #expect(throws: RewritingError.invalidShare("0.0")) { try PooledAllocation(.raw).kept(0, of: [group]) }
        #expect(RewritingError.unreachable(target: "30.0 %", least: "50.0 %").description
            == "30.0 % cannot be reached: the least that units leave is 50.0 %")
    }

    @Test func theOrderOfEqualsIsFixed() throws {
        let group = UnitGroup(block: 0, scores: [1, 1, 1, 1], price: 1)
        #expect(try UniformAllocation().kept(0.5, of: [group]) == [[0, 1]])
    }
}
