/// Spearman's rank correlation (1904): Pearson's correlation of the ranks, ties sharing their average rank.
public enum RankCorrelation {
    /// -1 to 1; NaN when one side is constant or there are fewer than two values. O(n log n).
    /// - Precondition: as many values on both sides.
    public static func spearman(_ first: [Double], _ second: [Double]) -> Double {
        precondition(first.count == second.count)
        return pearson(ranks(first), ranks(second))
    }

    /// 1 for the smallest value; equal values get the mean of the ranks they take up.
    public static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] != values[$1] ? values[$0] < values[$1] : $0 < $1 }
        var ranks = [Double](repeating: 0, count: values.count)
        var first = 0
        while first < order.count {
            var end = first + 1
            while end < order.count, values[order[end]] == values[order[first]] { end += 1 }
            for place in first..<end { ranks[order[place]] = Double(first + end + 1) / 2 }
            first = end
        }
        return ranks
    }

    private static func pearson(_ first: [Double], _ second: [Double]) -> Double {
        let (firstMean, secondMean) = (Statistics.mean(first), Statistics.mean(second))
        var (product, firstSquares, secondSquares) = (0.0, 0.0, 0.0)
        for (a, b) in zip(first, second) {
            product += (a - firstMean) * (b - secondMean)
            firstSquares += (a - firstMean) * (a - firstMean)
            secondSquares += (b - secondMean) * (b - secondMean)
        }
        return product / (firstSquares * secondSquares).squareRoot()
    }
}
