import ModelFiles
import StructuredMatrices
import Tensors

/// One block of a transformer: attention, then a feed-forward network, each added to the residual stream, each with a norm
/// before it or after the sum.
///
/// A part of no width adds the bias of its output alone, which is what is left of it when its last head or neuron goes.
struct Block: Sendable {
    var sizes: BlockSizes
    /// A token attends to itself and this many - 1 before it; nil for all.
    let window: Int?
    let names: BlockNames
    /// What places of the block are stored in another form than `<name>.weight`, outputs x inputs.
    var stored: [BlockMatrix: StoredWeight]

    var attentionNorm: Norm
    var query: Linear
    var key: Linear
    var value: Linear
    var attentionOutput: Linear
    /// Of each head's features, before the rotation.
    var queryNorm: Norm?
    var keyNorm: Norm?
    var feedForwardNorm: Norm
    /// Of no rows where the network is not gated.
    var gate: Linear
    var up: Linear
    var down: Linear
    let activation: Activation
    /// What makes experts of the feed-forward network's neurons; nil where all of them run for every token.
    var experts: RoutedExperts?
    /// Made by `TransformerModel.prepare` where there are experts; the matrices have no prepared form of their own then.
    var preparedExperts: PreparedExperts?

    var isGated: Bool { names.gate != nil }

    /// The matrices there are, in the order of the computation.
    var matrices: [BlockMatrix] {
        BlockMatrix.allCases.filter { matrix in
            matrix.isAttention ? sizes.heads > 0 : sizes.feedForwardWidth > 0 && (matrix != .gate || isGated)
        }
    }

    subscript(matrix: BlockMatrix) -> Linear {
        get {
            switch matrix {
            case .query: query
            case .key: key
            case .value: value
            case .attentionOutput: attentionOutput
            case .gate: gate
            case .up: up
            case .down: down
            }
        }
        set {
            if !matrix.isAttention { preparedExperts = nil }
            switch matrix {
            case .query: query = newValue
            case .key: key = newValue
            case .value: value = newValue
            case .attentionOutput: attentionOutput = newValue
            case .gate: gate = newValue
            case .up: up = newValue
            case .down: down = newValue
            }
        }
    }
}

/// The matrices of a block.
public enum BlockMatrix: String, Sendable, Hashable, CaseIterable {
    case query, key, value, attentionOutput, gate, up, down

    var isAttention: Bool {
        switch self {
        case .query, .key, .value, .attentionOutput: true
        case .gate, .up, .down: false
        }
    }

    /// Outputs and inputs, in a stream of that width.
    func shape(_ sizes: BlockSizes, width: Int) -> MatrixShape {
        switch self {
        case .query: MatrixShape(rows: sizes.heads * sizes.queryKeyWidth, columns: width)
        case .key: MatrixShape(rows: sizes.keyValueHeads * sizes.queryKeyWidth, columns: width)
        case .value: MatrixShape(rows: sizes.keyValueHeads * sizes.valueWidth, columns: width)
        case .attentionOutput: MatrixShape(rows: width, columns: sizes.heads * sizes.valueWidth)
        case .gate, .up: MatrixShape(rows: sizes.feedForwardWidth, columns: width)
        case .down: MatrixShape(rows: width, columns: sizes.feedForwardWidth)
        }
    }
}

/// The names of a block's tensors, without ".weight" and ".bias", and of its distinct linear inputs.
struct BlockNames: Sendable, Hashable {
    let block: String
    let query, key, value, attentionOutput: String
    /// Nil where the feed-forward network is not gated.
    let gate: String?
    let up, down: String
    let attentionNorm, feedForwardNorm: String
    let queryNorm, keyNorm: String?
    let attentionInput, attentionOutputInput, feedForwardInput, downInput: String

    /// - Parameters:
    ///   - attention: the four matrices and the norm, behind the block's name and a dot.
    ///   - inputs: the names of what the projections and the first feed-forward matrices read.
    init(
        _ block: String, attention: (query: String, key: String, value: String, output: String, norm: String),
        headNorms: (query: String, key: String)? = nil,
        feedForward: (gate: String?, up: String, down: String, norm: String), inputs: (attention: String, feedForward: String)
    ) {
        self.block = block
        query = "\(block).\(attention.query)"
        key = "\(block).\(attention.key)"
        value = "\(block).\(attention.value)"
        attentionOutput = "\(block).\(attention.output)"
        attentionNorm = "\(block).\(attention.norm)"
        queryNorm = headNorms.map { "\(block).\($0.query)" }
        keyNorm = headNorms.map { "\(block).\($0.key)" }
        gate = feedForward.gate.map { "\(block).\($0)" }
        up = "\(block).\(feedForward.up)"
        down = "\(block).\(feedForward.down)"
        feedForwardNorm = "\(block).\(feedForward.norm)"
        attentionInput = "\(block).\(inputs.attention) input"
        attentionOutputInput = "\(attentionOutput) input"
        feedForwardInput = "\(block).\(inputs.feedForward) input"
        downInput = "\(down) input"
    }

    func name(of matrix: BlockMatrix) -> String {
        switch matrix {
        case .query: query
        case .key: key
        case .value: value
        case .attentionOutput: attentionOutput
        case .gate: gate ?? ""
        case .up: up
        case .down: down
        }
    }

    func input(of matrix: BlockMatrix) -> String {
        switch matrix {
        case .query, .key, .value: attentionInput
        case .attentionOutput: attentionOutputInput
        case .gate, .up: feedForwardInput
        case .down: downInput
        }
    }
}
