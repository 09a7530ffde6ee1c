import Tensors

/// Means, quantiles and their standard errors.
enum Statistics {
    static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count)
    }

    /// Standard error of the mean of independent values; 0 for a single one.
    static func standardError(_ values: [Double]) -> Double {
        guard values.count > 1 else { return 0 }
        let mean = mean(values)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (squares / Double(values.count - 1) / Double(values.count)).squareRoot()
    }

    /// Mean over all items of clusters, given each cluster's sum and count, and its standard error when clusters are
    /// independent and the items within one are not (the ratio estimator's linearisation, Cochran 1977, section 6.4).
    static func clustered(sums: [Double], counts: [Int]) -> (mean: Double, standardError: Double) {
        let total = Double(counts.reduce(0, +))
        guard total > 0 else { return (.nan, .nan) }
        let mean = sums.reduce(0, +) / total
        guard sums.count > 1 else { return (mean, 0) }
        let squares = zip(sums, counts).reduce(0.0) { sum, cluster in
            let residual = cluster.0 - mean * Double(cluster.1)
            return sum + residual * residual
        }
        return (mean, (squares * Double(sums.count) / Double(sums.count - 1)).squareRoot() / total)
    }

    /// The value below which a share of the sorted values lies, with linear interpolation.
    static func quantile(_ sorted: [Double], _ share: Double) -> Double {
        guard let last = sorted.last else { return .nan }
        let place = share * Double(sorted.count - 1)
        let lower = Int(place)
        guard lower + 1 < sorted.count else { return last }
        return sorted[lower] + (place - Double(lower)) * (sorted[lower + 1] - sorted[lower])
    }

    /// Quantiles of all items of clusters, with standard errors by the bootstrap: clusters are independent, the items
    /// within one are not, so whole clusters are drawn anew (Davison and Hinkley 1997, section 3.8). The draws are always
    /// the same. Cost: one sort, and a pass over the items for each of `draws`.
    static func clusteredQuantiles(
        _ clusters: [[Double]], _ shares: [Double], draws: Int = 200
    ) -> [(value: Double, standardError: Double)] {
        let items = clusters.enumerated().flatMap { index, values in values.map { (value: $0, cluster: index) } }
            .sorted { ($0.value, $0.cluster) < ($1.value, $1.cluster) }
        let sorted = items.map(\.value)
        let values = shares.map { quantile(sorted, $0) }
        guard clusters.count > 1 else { return values.map { ($0, 0) } }
        var generator = SeededGenerator(seed: 0, stream: "bootstrap of clusters")
        var drawn = shares.map { _ in [Double]() }
        for _ in 0..<draws {
            var weights = clusters.map { _ in 0 }
            for _ in clusters { weights[generator.nextInteger(below: clusters.count)] += 1 }
            let total = zip(weights, clusters).reduce(0) { $0 + $1.0 * $1.1.count }
            guard total > 0 else { continue }
            // The shares in rising order take one pass over the sorted items.
            var (passed, place) = (0, 0)
            for index in shares.indices.sorted(by: { shares[$0] < shares[$1] }) {
                let wanted = shares[index] * Double(total - 1)
                while place < items.count {
                    let weight = weights[items[place].cluster]
                    if weight > 0, Double(passed + weight - 1) >= wanted { break }
                    passed += weight
                    place += 1
                }
                drawn[index].append(items[min(place, items.count - 1)].value)
            }
        }
        return zip(values, drawn).map { value, draws in
            // Of the quantile itself, not of a mean of the draws.
            (value, standardError(draws) * Double(draws.count).squareRoot())
        }
    }
}
