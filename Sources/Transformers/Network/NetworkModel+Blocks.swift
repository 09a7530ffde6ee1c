import ModelFiles
import StructuredMatrices
import Tensors

/// What methods that change several matrices of a block at once read and write.
extension NetworkModel {
    /// Whether heads turn their queries and keys by position.
    public var hasRotaryPositions: Bool { network.rotary != nil }

    /// A block's matrix, outputs x inputs, and its bias.
    /// - Precondition: the block has it.
    public func linear(_ block: Int, _ matrix: BlockMatrix) -> (weight: any StructuredMatrix, bias: [Float]?) {
        let linear = network.blocks[block][matrix]
        return (linear.weight, linear.bias)
    }

    /// Whether a block's feed-forward part is gated.
    public func isGated(_ block: Int) -> Bool { network.blocks[block].isGated }

    /// The name of what a matrix of a block reads (`MatrixSite.input`), and of the matrix itself.
    public func inputName(_ block: Int, _ matrix: BlockMatrix) -> String { network.blocks[block].names.input(of: matrix) }
    public func siteName(_ block: Int, _ matrix: BlockMatrix) -> String { network.blocks[block].names.name(of: matrix) }

    /// Gives a block other sizes, and matrices that have them; those that are not named stay. Experts are what `setExperts`
    /// made of them, and are no more where the neurons are others in number.
    /// - Precondition: all shapes are what `sizes` says; `MatrixSite.shape` tells the old ones.
    public mutating func setBlock(
        _ index: Int, sizes: BlockSizes, matrices: [BlockMatrix: (weight: any StructuredMatrix, bias: [Float]?)]
    ) {
        var block = network.blocks[index]
        if sizes.feedForwardWidth != block.sizes.feedForwardWidth { block.experts = nil }
        block.sizes = sizes
        block.sizes.experts = block.experts?.sizes
        for (matrix, (weight, bias)) in matrices { block[matrix] = Linear(weight: weight, bias: bias) }
        for matrix in BlockMatrix.allCases
        where !matrix.isSkip && (matrix.isAttention ? sizes.heads == 0 : sizes.feedForwardWidth == 0) {
            // The bias of a part's output outlives the part.
            let isOutput = matrix == .attentionOutput || matrix == .down
            let rows = matrix.shape(sizes, block.stream).rows
            block[matrix] =
                isOutput ? Linear(weight: Dense(Factor([], shape: [rows, 0])), bias: block[matrix].bias) : .none
        }
        if sizes.keyRanks == nil { block.keyBasis = nil }
        if network.normalizesFirst {
            // Nothing reads what a norm before a part that is gone would give.
            if sizes.heads == 0 { block.attentionNorm = .none }
            if sizes.feedForwardWidth == 0 { block.feedForwardNorm = .none }
        }
        for matrix in block.matrices {
            precondition(block[matrix].weight.shape == matrix.shape(sizes, block.stream))
        }
        network.blocks[index] = block
    }

    /// Keeps the keys of a block's heads in some directions, and takes queries to the same.
    /// - Parameters:
    ///   - directions: of every key head, ranks x features, orthonormal rows.
    ///   - means: of each head's keys, taken off.
    /// - Precondition: one of either for each key-value head, as wide as its keys.
    public mutating func setKeyBasis(_ index: Int, directions: [Matrix], means: [[Float]]) {
        let sizes = network.blocks[index].sizes
        precondition(directions.count == sizes.keyValueHeads && means.count == sizes.keyValueHeads)
        network.blocks[index].sizes.keyRanks = directions.map(\.rows)
        network.blocks[index].keyBasis = KeyBasis(
            directions: directions.flatMap(\.elements),
            offset: zip(directions, means).flatMap { directions, mean in
                (0..<directions.rows).map { row in -zip(directions.row(row), mean).reduce(0) { $0 + $1.0 * $1.1 } }
            })
    }

    public var isCausal: Bool { network.isCausal }
    public var normalizesFirst: Bool { network.normalizesFirst }

    /// A block's norms, of the attention and of the feed-forward part.
    public func norms(_ block: Int) -> (attention: Norm, feedForward: Norm) {
        (network.blocks[block].attentionNorm, network.blocks[block].feedForwardNorm)
    }

    /// Of each head's queries and keys; nil for most models.
    public func headNorms(_ block: Int) -> (query: Norm?, key: Norm?) {
        (network.blocks[block].queryNorm, network.blocks[block].keyNorm)
    }

    public func activation(_ block: Int) -> Activation { network.blocks[block].activation }

    /// Tokens that a token attends to, itself counted; nil for all.
    public func window(_ block: Int) -> Int? { network.blocks[block].window }

    /// Radians per position of each pair of a head's features; nil without rotary positions.
    public var rotaryFrequencies: [Double]? { network.rotary?.frequencies }

    /// What follows the last block.
    public var outputNorm: Norm? { network.output.norm }

    /// The output head, vocabulary x width; nil for encoders, and where a projection stands before it.
    public var headWeight: (any StructuredMatrix)? {
        network.output.projection == nil ? network.headPlace.map { network[$0].weight } : nil
    }
}
