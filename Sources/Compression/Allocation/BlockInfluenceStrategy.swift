import Fitting
import Foundation
import Tensors
import Transformers

/// Block influence: blocks that turn the hidden state more keep more. The angle between a block's input and output, averaged
/// over tokens, is taken from the inputs of its first linear layers and of the next block's.
///
/// The share is CFSP's squashed deviation from the mean, 1 / (1 + exp(-(I - mean) / mean)); matrices outside blocks count as
/// mean ones. The output of the last block is not seen; its angle is what it does up to its feed-forward part, scaled as that
/// part's share of the angle is in the other blocks.
package struct BlockInfluenceStrategy: ShareStrategy {
    let name = "block-influence"
    let summary = "larger shares for blocks that turn the hidden state more"
    let source = "ShortGPT's block influence as CFSP (arXiv 2409.13199) and MoDeGPT (arXiv 2408.09632) use it"
    let isDefault = false

    func shares(_ problem: AllocationProblem) throws -> ShareAllocation? {
        let blocks = ModelBlocks(problem.sites)
        let stack = blocks.members.indices.filter { blocks.names[$0] != nil }
        guard stack.count > 1 else { return nil }
        // The input of each block, and the last of its inputs as wide: that of its feed-forward part.
        var points: [(input: String, middle: String)] = []
        for block in stack {
            let inputs = blocks.members[block].compactMap { index in
                problem.sites[index].input.map { (name: $0, width: problem.sites[index].shape.columns) }
            }
            guard let first = inputs.first, let middle = inputs.last(where: { $0.width == first.width }) else { return nil }
            points.append((first.name, middle.name))
        }
        let names = points.flatMap { [$0.input, $0.middle] }
        let angles = try Self.angles(between: names, problem)
        var influences = stack.indices.map { 2 * $0 + 2 < names.count ? angles[2 * $0] + angles[2 * $0 + 1] : 0 }
        let complete = stack.indices.dropLast()
        let halves = complete.reduce(0) { $0 + angles[2 * $1] }
        let ratio = halves > 0 ? complete.reduce(0) { $0 + influences[$1] } / halves : 2
        influences[stack.count - 1] = ratio * angles[2 * (stack.count - 1)]
        let squashed = Self.proportions(influences)
        var proportions = [Double](repeating: 0.5, count: problem.sites.count)
        for (block, share) in zip(stack, squashed) {
            for index in blocks.members[block] { proportions[index] = share }
        }
        return ShareAllocation(proportions: proportions)
    }

    /// Of non-negative influences: a half for the mean one.
    package static func proportions(_ influences: [Double]) -> [Double] {
        let mean = influences.reduce(0, +) / Double(max(1, influences.count))
        guard mean > 0 else { return influences.map { _ in 0.5 } }
        return influences.map { 1 / (1 + exp(-($0 - mean) / mean)) }
    }

    /// Mean angles over the sample's tokens between each of the named inputs and the next, in units of pi.
    private static func angles(between names: [String], _ problem: AllocationProblem) throws -> [Double] {
        let sequences = OutputDistance.sample(of: problem.calibration).map { problem.calibration[$0] }
        let place = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        var sums = [Double](repeating: 0, count: names.count)
        var tokens = 0
        var last: Matrix?
        try problem.model.observe(sequences, context: problem.context) { name, activations in
            guard let index = place[name] else { return }
            let now = Matrix(rows: activations.rows, columns: activations.columns) { activations.row($0)[$1] }
            if index == 0 { tokens += now.rows }
            if index > 0, let last, last.rows == now.rows {
                for row in 0..<now.rows { sums[index - 1] += angle(last.row(row), now.row(row)) }
            }
            last = now
        }
        return sums.map { $0 / Double(max(1, tokens)) }
    }

    private static func angle(_ left: ArraySlice<Float>, _ right: ArraySlice<Float>) -> Double {
        OutputDistance.cosine(left, right).map { acos(min(1, max(-1, $0))) / .pi } ?? 0.5
    }
}
