/// Means and their standard errors.
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
}
