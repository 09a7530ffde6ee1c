import Fitting
import Foundation
import LinearAlgebra
import Tensors
import Transformers

/// FARMS and AlphaPruning: the squared singular values of a well-trained matrix have a heavy tail, a power law with a small
/// exponent; blocks with smaller exponents keep more. The exponent is taken over windows of one aspect ratio, because that of
/// the whole matrix depends on its shape.
package struct HeavyTailStrategy: ShareStrategy {
    let name = "farms"
    let summary = "larger shares for blocks whose spectra have heavier tails"
    let source = "FARMS, arXiv 2506.06280, and AlphaPruning, arXiv 2410.10912"
    let isDefault = false

    /// Shares differ from their mean by this much at most, relative to it.
    package static let spread = 0.3
    static let largestWindow = 128
    /// Places of windows along each side.
    static let places = 5

    func shares(_ problem: AllocationProblem) throws -> ShareAllocation? {
        let exponents = try problem.context.parallelMap(problem.sites.count) { index in
            let site = problem.sites[index]
            return try problem.remembered("tail exponent", site) {
                try Self.exponent(of: problem.table.candidateContext(site).weight)
            }
        }
        let blocks = ModelBlocks(problem.sites)
        let means = blocks.means(exponents)
        return ShareAllocation(proportions: Self.proportions(means))
    }

    /// 1 + spread for the smallest exponent, 1 - spread for the largest, linear between.
    package static func proportions(_ exponents: [Double]) -> [Double] {
        guard let least = exponents.min(), let most = exponents.max(), most > least else {
            return exponents.map { _ in 1 }
        }
        return exponents.map { 1 + spread * (1 - 2 * ($0 - least) / (most - least)) }
    }

    /// The exponent alpha of the density lambda^-alpha above the median, by maximum likelihood (Hill 1975), over the squared
    /// singular values of square windows spread evenly over the matrix. Cost: 25 decompositions of 128 x 128 at most.
    package static func exponent(of weight: Matrix) throws -> Double {
        let size = min(weight.rows, weight.columns, largestWindow)
        func starts(_ length: Int) -> [Int] {
            let room = length - size
            let count = room == 0 ? 1 : places
            return (0..<count).map { count == 1 ? 0 : room * $0 / (count - 1) }
        }
        var values: [Double] = []
        for row in starts(weight.rows) {
            for column in starts(weight.columns) {
                let window = DoubleMatrix(rows: size, columns: size) { Double(weight[row + $0, column + $1]) }
                values += try SymmetricEigen(window.gramian()).values
            }
        }
        return tailExponent(values)
    }

    /// Of positive values; infinite where fewer than two are, or the upper half are all alike.
    package static func tailExponent(_ values: [Double]) -> Double {
        let largest = values.max() ?? 0
        // Zeros up to rounding are no part of a tail.
        let sorted = values.filter { $0 > 1e-12 * largest }.sorted()
        guard sorted.count > 1 else { return flat }
        let first = sorted.count / 2
        let tail = sorted[first...]
        let sum = tail.reduce(0) { $0 + log($1 / sorted[first]) }
        return sum > 0 ? min(flat, 1 + Double(tail.count - 1) / sum) : flat
    }

    /// What a spectrum without a tail counts as.
    private static let flat = 1e3
}
