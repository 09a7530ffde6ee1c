/// One ranking of all units of the model: those of least score per price go until the share is met.
public struct PooledAllocation: UnitAllocation {
    /// What makes the scores of different parts comparable.
    public enum Scale: String, Sendable, CaseIterable {
        /// They are already (losses, gradients).
        case raw
        /// (score - mean) / standard deviation within each part (FLAP, arXiv 2312.11983, "AL-AM").
        case standardised
        /// Divided by the part's mean (DepGraph, arXiv 2301.12900).
        case mean
    }

    public let scale: Scale
    /// Whether the ranking is by score over price: the knapsack's order. FLAP ranks by the score alone.
    public let countsPrice: Bool

    public init(_ scale: Scale, countsPrice: Bool = false) {
        self.scale = scale
        self.countsPrice = countsPrice
    }

    public func kept(_ share: Double, of groups: [UnitGroup]) throws -> [[Int]] {
        try check(share, groups)
        struct Place {
            let score: Double
            let group: Int
            let unit: Int
        }
        var places: [Place] = []
        for (index, group) in groups.enumerated() {
            for (unit, score) in scaled(group.scores).enumerated() {
                places.append(Place(score: countsPrice ? score / group.price : score, group: index, unit: unit))
            }
        }
        places.sort { ($0.score, $1.group, $1.unit) < ($1.score, $0.group, $0.unit) }
        var counts = groups.map(\.units)
        var cost = groups.reduce(0) { $0 + Double($1.units) * $1.price }
        let target = share * cost * (1 + 1e-9)
        var gone = Set<[Int]>()
        for place in places {
            guard cost > target else { break }
            guard counts[place.group] > groups[place.group].least else { continue }
            counts[place.group] -= 1
            cost -= groups[place.group].price
            gone.insert([place.group, place.unit])
        }
        return groups.indices.map { index in
            let group = groups[index]
            // Rounding to multiples goes back to the part's own order.
            guard group.multiple > 1 else { return (0..<group.units).filter { !gone.contains([index, $0]) } }
            return group.best(group.rounded(Double(counts[index])))
        }
    }

    private func scaled(_ scores: [Double]) -> [Double] {
        let mean = scores.reduce(0, +) / Double(scores.count)
        switch scale {
        case .raw: return scores
        case .mean: return mean > 0 ? scores.map { $0 / mean } : scores
        case .standardised:
            let variance = scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, scores.count - 1))
            return variance > 0 ? scores.map { ($0 - mean) / variance.squareRoot() } : scores.map { _ in 0 }
        }
    }
}
