/// Heads and neurons ranked apart, each over the whole model, with a fixed relation between how much of either goes (NIRVANA,
/// arXiv 2509.14230): the share of heads that is removed is that of neurons divided by `gamma`.
public struct SplitAllocation: UnitAllocation {
    /// 3.36 for Llama 3.1 8B, 3.0 for Llama 3.2 3B in the paper; 1 removes equal shares.
    public let gamma: Double

    public init(gamma: Double = 3) {
        precondition(gamma > 0)
        self.gamma = gamma
    }

    public func kept(_ share: Double, of groups: [UnitGroup]) throws -> [[Int]] {
        try check(share, groups)
        let heads = groups.indices.filter { groups[$0].kind == .head }
        let neurons = groups.indices.filter { groups[$0].kind == .neuron }
        func price(_ indices: [Int]) -> Double { indices.reduce(0) { $0 + Double(groups[$1].units) * groups[$1].price } }
        let (headPrice, neuronPrice) = (price(heads), price(neurons))
        guard headPrice > 0, neuronPrice > 0 else { return try PooledAllocation(.raw).kept(share, of: groups) }
        // s_n P_n + s_n / gamma P_h = (1 - share) (P_n + P_h), neither share above what may go.
        let removed = (1 - share) * (headPrice + neuronPrice)
        let most = 1 - neurons.reduce(0) { $0 + Double(groups[$1].least) * groups[$1].price } / neuronPrice
        let neuronShare = min(most, removed / (neuronPrice + headPrice / gamma))
        let headShare = (removed - neuronShare * neuronPrice) / headPrice
        var result = groups.map { Array(0..<$0.units) }
        for (indices, gone) in [(heads, headShare), (neurons, neuronShare)] where gone > 1e-12 {
            let kept = try PooledAllocation(.raw).kept(1 - gone, of: indices.map { groups[$0] })
            for (index, units) in zip(indices, kept) { result[index] = units }
        }
        return result
    }
}
