import ModelFiles
import StructuredMatrices
import Tensors

/// Feed-forward networks as experts, as methods see them and leave them.
extension NetworkModel {
    /// What makes experts of a block's neurons; nil where all of them run for every token.
    public func experts(_ block: Int) -> RoutedExperts? { network.blocks[block].experts }

    /// Cuts a block's neurons, in the order they are in, into experts; nil lets all of them run again.
    /// - Precondition: the experts divide the neurons, and the router reads the stream's width.
    public mutating func setExperts(_ block: Int, _ experts: RoutedExperts?) {
        if let experts {
            let width = network.blocks[block].sizes.feedForwardWidth
            precondition(width > 0 && width % experts.sizes.count == 0 && experts.router.columns == network.width)
        }
        network.blocks[block].sizes.experts = experts?.sizes
        network.blocks[block].experts = experts
        network.blocks[block].preparedExperts = nil
    }

    /// Names of the tensors that hold routers and what belongs to them.
    public var expertTensorNames: Set<String> {
        Set(
            network.blocks.flatMap { block -> [String] in
                guard let experts = block.experts else { return [] }
                let names = ExpertNames(block.names.block)
                return [names.router, names.bias] + (experts.means == nil ? [] : [names.means])
            })
    }

    /// The same with what they hold, in f32.
    /// - Throws: `TensorError`.
    public func expertTensors() throws -> [(name: String, tensor: Tensor)] {
        try network.blocks.flatMap { block -> [(name: String, tensor: Tensor)] in
            guard let experts = block.experts else { return [] }
            let names = ExpertNames(block.names.block)
            func tensor(_ matrix: Matrix) throws -> Tensor {
                try Tensor(matrix.elements, shape: [matrix.rows, matrix.columns], elementType: .f32)
            }
            var result = [
                (names.router, try tensor(experts.router)),
                (names.bias, try Tensor(experts.bias, shape: [experts.bias.count], elementType: .f32)),
            ]
            if let means = experts.means { result.append((names.means, try tensor(means))) }
            return result
        }
    }

    /// Multiply-adds of a token in a block's feed-forward network, the experts that run and their router.
    public func feedForwardMultiplyAdds(_ block: Int) -> Int {
        let (own, all) = (network.blocks[block], wholeFeedForwardMultiplyAdds(block))
        guard let experts = own.experts else { return all }
        return own.cutsExperts
            ? all / experts.sizes.count * experts.sizes.active + experts.router.count : all + experts.router.count
    }

    /// The same if all experts ran and nothing chose among them.
    public func wholeFeedForwardMultiplyAdds(_ block: Int) -> Int {
        BlockMatrix.feedForward.reduce(0) { $0 + network.blocks[block][$1].weight.cost.multiplyAdds }
    }
}
