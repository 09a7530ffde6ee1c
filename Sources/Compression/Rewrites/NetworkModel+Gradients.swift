import Gradients
import StructuredMatrices
import Tensors
import Transformers

extension NetworkModel {
    /// The blocks as numbers that can be differentiated.
    /// - Throws: `CompressionError.notDifferentiable` for blocks that derivatives are not written for.
    func differentiable() throws -> DifferentiableTransformer {
        let blocks = try blockSizes.indices.map { try differentiableBlock($0) }
        return DifferentiableTransformer(blocks: blocks, finalNorm: outputNorm.map(Self.norm))
    }

    private func differentiableBlock(_ block: Int) throws -> TransformerBlock {
        let sizes = blockSizes[block]
        func refuse(_ what: String) -> CompressionError { .notDifferentiable(block: siteName(block, .down), what: what) }
        guard sizes.heads > 0, sizes.feedForwardWidth > 0 else { throw refuse("a block without attention or feed-forward part") }
        guard !isStreamCut else { throw refuse("a residual stream that is cut") }
        guard sizes.keyRanks == nil, sizes.valueWidths == nil else { throw refuse("keys or values kept in other directions") }
        guard sizes.rotaryPairs == nil else { throw refuse("heads that keep some of their rotary pairs") }
        guard experts(block) == nil else { throw refuse("a feed-forward network of experts") }
        let headNorms = headNorms(block)
        guard headNorms.query == nil, headNorms.key == nil else { throw refuse("norms of single heads") }
        func map(_ place: BlockMatrix) -> AffineMap {
            let (weight, bias) = linear(block, place)
            return AffineMap(weight: weight.dense().converted(), bias: bias.map { $0.map(Double.init) })
        }
        let norms = norms(block)
        return TransformerBlock(
            normalisesFirst: normalizesFirst, attentionNorm: Self.norm(norms.attention), query: map(.query), key: map(.key),
            value: map(.value), output: map(.attentionOutput),
            attention: AttentionCore(
                heads: sizes.heads, keyValueHeads: sizes.keyValueHeads, isCausal: isCausal,
                frequencies: rotaryFrequencies, window: window(block)),
            feedForwardNorm: Self.norm(norms.feedForward), gate: isGated(block) ? map(.gate) : nil, up: map(.up),
            down: map(.down), activation: activation(block))
    }

    private static func norm(_ norm: Norm) -> TokenNorm {
        TokenNorm(
            gain: norm.weight.map(Double.init), bias: norm.kind == .layer ? norm.bias.map(Double.init) : nil,
            epsilon: Double(norm.epsilon), centres: norm.kind == .layer)
    }
}
