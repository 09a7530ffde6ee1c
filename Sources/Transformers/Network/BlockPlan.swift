import ModelFiles
import StructuredMatrices
import Tensors

/// What a configuration says of one block, before its tensors are read.
struct BlockPlan {
    let names: BlockNames
    let sizes: BlockSizes
    var window: Int?
    var stored: [BlockMatrix: StoredWeight] = [:]
    /// Matrices whose outputs have a bias.
    var biases: Set<BlockMatrix> = []

    static let attentionBiases: Set<BlockMatrix> = [.query, .key, .value, .attentionOutput]
    static let feedForwardBiases: Set<BlockMatrix> = Set(BlockMatrix.feedForward)
    static let allBiases = attentionBiases.union(feedForwardBiases)
}

/// What all blocks of a model have in common.
struct BlockStyle {
    let stream: StreamPlan
    let normalizesFirst: Bool
    let norm: Norm.Kind
    let epsilon: Float
    let activation: Activation
}

extension ModelTensors {
    /// Reads a block. A part of no width needs no tensors, except that its output's bias is read where there is one, and its
    /// norm where that follows the sum; and that a cut stream goes past it through a skip matrix as past any other.
    /// - Throws: `StructuredMatrixError`, `TransformersError.shapeMismatch`, naming file and tensor.
    func block(_ plan: BlockPlan, _ style: BlockStyle, at index: Int) throws -> Block {
        let (names, sizes, stream) = (plan.names, plan.sizes, style.stream.block(index))
        func linear(_ matrix: BlockMatrix) throws -> Linear {
            let name = names.name(of: matrix)
            let shape = matrix.shape(sizes, stream)
            if shape.count > 0, matrix != .gate || names.gate != nil {
                return try self.linear(
                    name, rows: shape.rows, columns: shape.columns, bias: plan.biases.contains(matrix),
                    stored: plan.stored[matrix])
            }
            guard matrix == .attentionOutput || matrix == .down else { return .none }
            // The bias is as wide as the stream, however narrow the part is.
            return Linear(
                weight: Dense(Factor([], shape: [shape.rows, 0])),
                bias: try contains("\(name).bias") ? vector("\(name).bias", count: shape.rows) : nil)
        }
        func skip(_ matrix: BlockMatrix) throws -> Linear {
            guard style.stream.isCut else { return .none }
            let shape = matrix.shape(sizes, stream)
            return try self.linear(names.name(of: matrix), rows: shape.rows, columns: shape.columns, bias: false)
        }
        // Norms stand on the stream before a part, or behind it.
        func norm(_ name: String, hasPart: Bool, _ before: Int, _ behind: Int) throws -> Norm {
            guard hasPart || !style.normalizesFirst else { return .none }
            return try self.norm(
                name, style.norm, count: style.normalizesFirst ? before : behind, of: style.stream, epsilon: style.epsilon)
        }
        func headNorm(_ name: String?) throws -> Norm? {
            guard let name, sizes.heads > 0 else { return nil }
            return Norm(
                kind: .rootMeanSquare, weight: try vector("\(name).weight", count: sizes.queryKeyWidth), bias: [],
                epsilon: style.epsilon)
        }
        return Block(
            sizes: sizes, stream: stream, window: plan.window, names: names, stored: plan.stored,
            attentionNorm: try norm(names.attentionNorm, hasPart: sizes.heads > 0, stream.attention, stream.feedForward),
            query: try linear(.query),
            key: try linear(.key), value: try linear(.value), attentionOutput: try linear(.attentionOutput),
            queryNorm: try headNorm(names.queryNorm), keyNorm: try headNorm(names.keyNorm),
            feedForwardNorm: try norm(
                names.feedForwardNorm, hasPart: sizes.feedForwardWidth > 0, stream.feedForward, stream.output),
            gate: try linear(.gate), up: try linear(.up), down: try linear(.down), attentionSkip: try skip(.attentionSkip),
            feedForwardSkip: try skip(.feedForwardSkip), keyBasis: try keyBasis(names, sizes), activation: style.activation,
            experts: try sizes.experts.map { try experts($0, block: names.block, width: style.stream.features) })
    }
}

extension ModelTensors {
    /// - Throws: `StructuredMatrixError`.
    private func keyBasis(_ names: BlockNames, _ sizes: BlockSizes) throws -> KeyBasis? {
        guard let ranks = sizes.keyRanks?.reduce(0, +) else { return nil }
        return KeyBasis(
            directions: try vector(names.keyDirections, count: ranks * sizes.queryKeyWidth),
            offset: try vector(names.keyOffset, count: ranks))
    }
}

extension ModelConfiguration {
    /// The sizes of all blocks: those of the `tessera` section, else the same for each.
    /// - Parameter pairs: of features that rotary positions turn in an uncut head; 0 without.
    /// - Throws: `ModelFileError.wrongValue`, `TransformersError.unsupportedSetting`.
    func blockSizes(count: Int, rotaryPairs pairs: Int = 0, ordinary: BlockSizes) throws -> [BlockSizes] {
        guard let blocks = try blockSizes() else { return Array(repeating: ordinary, count: count) }
        func refuse(_ key: String, _ got: String, _ supported: String) -> TransformersError {
            .unsupportedSetting(file: file, key: "tessera.blocks\(key)", got: got, supported: supported)
        }
        guard blocks.count == count else {
            throw refuse("", "a list of \(blocks.count)", "one entry for each of the \(count) blocks")
        }
        for (index, sizes) in blocks.enumerated() where sizes.heads > 0 && pairs > 0 {
            guard let chosen = sizes.rotaryPairs else {
                guard sizes.queryKeyWidth == 2 * pairs else {
                    throw refuse(
                        ".\(index).query_key_width", "\(sizes.queryKeyWidth)", "\(2 * pairs), or rotary_pairs that say what is kept")
                }
                continue
            }
            if let pair = chosen.first(where: { $0 >= pairs }) {
                throw refuse(".\(index).rotary_pairs", "\(pair)", "numbers below \(pairs)")
            }
        }
        if pairs == 0, let index = blocks.firstIndex(where: { $0.rotaryPairs != nil }) {
            throw refuse(".\(index).rotary_pairs", "there", "models with rotary positions")
        }
        // Routers read the stream as wide as the architecture has it.
        if let index = blocks.firstIndex(where: { $0.experts != nil }), try cutStream() != nil {
            throw refuse(".\(index).experts", "there", "models whose stream is not cut")
        }
        return blocks
    }
}
