import Foundation

/// Shares of blocks that are given by what the blocks do to the residual stream, and average the share asked for.
///
/// Both rules take one number for each block: the larger, the more of the block stays.
public enum SharesByBlock: Sendable, Equatable {
    /// MoDeGPT (arXiv 2408.09632): sparsity p_l = L p softmax(-s / epsilon)_l, the entropy-regularised optimum, cut off at
    /// `most` and the excess shared out again. s = 1 - cosine of a block's input and output.
    case softmax(epsilon: Double, most: Double = 0.9)
    /// CFSP (arXiv 2409.13199): keep shares proportional to sigmoid(steepness (I - mean I)), I the mean angle between a
    /// block's input and output over pi; drawn together where a block would keep more than all.
    case sigmoid(steepness: Double = 26)

    /// The share of each block that stays; their mean is `share` (but where every block is at its limit).
    public func shares(keeping share: Double, importance: [Double]) -> [Double] {
        guard !importance.isEmpty, share < 1 else { return importance.map { _ in min(1, share) } }
        return switch self {
        case .softmax(let epsilon, let most): softmax(1 - share, importance, epsilon, most).map { 1 - $0 }
        case .sigmoid(let steepness): sigmoid(share, importance, steepness)
        }
    }

    private func softmax(_ removed: Double, _ importance: [Double], _ epsilon: Double, _ most: Double) -> [Double] {
        let least = importance.min() ?? 0
        let weights = importance.map { exp(-($0 - least) / epsilon) }
        var result = [Double](repeating: 0, count: weights.count)
        var open = Array(weights.indices)
        var left = removed * Double(weights.count)
        let limit = max(most, removed)
        // Blocks over the limit get the limit; what is left is divided among the others, again by their weights.
        while !open.isEmpty {
            let total = open.reduce(0) { $0 + weights[$1] }
            let over = open.filter { total > 0 ? left * weights[$0] / total > limit : false }
            guard !over.isEmpty else {
                for block in open { result[block] = total > 0 ? left * weights[block] / total : left / Double(open.count) }
                break
            }
            for block in over { result[block] = limit }
            left -= limit * Double(over.count)
            open.removeAll { over.contains($0) }
        }
        return result
    }

    private func sigmoid(_ share: Double, _ importance: [Double], _ steepness: Double) -> [Double] {
        let mean = importance.reduce(0, +) / Double(importance.count)
        var ratios = importance.map { 1 / (1 + exp(-steepness * ($0 - mean))) }
        let middle = ratios.reduce(0, +) / Double(ratios.count)
        let highest = ratios.max() ?? middle
        if share * highest >= middle, highest > middle {
            let shrink = middle * (1 / share - 1) / ((highest - middle) * 1.05)
            ratios = ratios.map { middle + ($0 - middle) * min(1, shrink) }
        }
        return ratios.map { share * $0 / middle }
    }
}

/// Every part of a block keeps the block's share.
public struct BlockwiseAllocation: UnitAllocation {
    public let rule: SharesByBlock
    /// One number for each block.
    public let importance: [Double]

    public init(_ rule: SharesByBlock, importance: [Double]) {
        self.rule = rule
        self.importance = importance
    }

    public func kept(_ share: Double, of groups: [UnitGroup]) throws -> [[Int]] {
        try check(share, groups)
        let shares = rule.shares(keeping: share, importance: importance)
        return within(share, of: groups, counts: groups.map { $0.rounded(shares[$0.block] * Double($0.units)) })
    }
}
