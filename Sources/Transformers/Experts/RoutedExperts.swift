import ModelFiles
import StructuredMatrices
import Tensors

/// What makes experts of a feed-forward network's neurons: the router that chooses some for every token, and what stands for
/// the others (FactorLLM, arXiv 2408.11855). Weights and biases are those of the network.
///
/// With x what the network reads, s = router x + bias, S the `active` experts of largest s (the first of equals), o_e the
/// part of the output that the neurons of e give: the output is scale * sum over S of o_e + sum over the others of means_e,
/// plus the network's own bias.
public struct RoutedExperts: Sendable, Equatable {
    public let sizes: ExpertSizes
    /// experts x width.
    public let router: Matrix
    /// One number for each expert.
    public let bias: [Float]
    /// experts x width: what an expert that is left out counts for; nil where the others are scaled instead.
    public let means: Matrix?

    /// - Precondition: shapes are those that `sizes` says, means are there where they are its substitute.
    public init(sizes: ExpertSizes, router: Matrix, bias: [Float], means: Matrix? = nil) {
        precondition(router.rows == sizes.count && bias.count == sizes.count)
        precondition((means != nil) == (sizes.substitute == .means))
        precondition(means.map { $0.rows == router.rows && $0.columns == router.columns } ?? true)
        self.sizes = sizes
        self.router = router
        self.bias = bias
        self.means = means
    }

    /// What the sum of the chosen is multiplied by.
    public var scale: Float { sizes.substitute == .scale ? Float(sizes.count) / Float(sizes.active) : 1 }

    /// Numbers beside the network's own.
    public var parameters: Int { router.count + bias.count + (means?.count ?? 0) }

    /// The experts of a token by its scores, ascending.
    public func chosen(_ scores: [Float]) -> [Int] {
        scores.withUnsafeBufferPointer { scores in
            guard let base = scores.baseAddress else { return [] }
            return scores.indices.filter { Routing.rank(of: $0, in: base, count: scores.count) < sizes.active }
        }
    }

    /// s for a token. As the model's own runs compute it.
    public func scores(_ input: UnsafePointer<Float>) -> [Float] {
        var result = bias
        router.withView { router in
            for expert in result.indices { result[expert] += Kernels.best.dot(input, router.row(expert), router.columns) }
        }
        return result
    }
}

/// The tensors that hold a router and what belongs to it.
struct ExpertNames: Sendable, Hashable {
    let router: String
    let bias: String
    let means: String

    /// - Parameter block: the block's name.
    init(_ block: String) {
        router = "\(block).router.weight"
        bias = "\(block).router.bias"
        means = "\(block).expert_means.weight"
    }
}

extension ModelTensors {
    /// - Parameter width: of the stream.
    /// - Throws: `StructuredMatrixError`, naming file and tensor.
    func experts(_ sizes: ExpertSizes, block: String, width: Int) throws -> RoutedExperts {
        let names = ExpertNames(block)
        let shape = [sizes.count, width]
        return RoutedExperts(
            sizes: sizes, router: try factor(names.router, shape: shape).matrix,
            bias: try vector(names.bias, count: sizes.count),
            means: sizes.substitute == .means ? try factor(names.means, shape: shape).matrix : nil)
    }
}
