import ModelFiles
import StructuredMatrices
import Tensors

/// An encoder of text: one vector for each sequence by pooling (Reimers, Gurevych 2019) the last block's output.
public struct TransformerEncoder: EncoderModel, NetworkModel {
    public var network: Network
    /// How the vectors of a sequence's tokens become one, and where texts are cut.
    public let layout: SentenceEmbeddingLayout

    init(network: Network, layout: SentenceEmbeddingLayout) {
        self.network = network
        self.layout = layout
    }

    public var dimension: Int { network.width }
    public var vocabularySize: Int { network[.words].weight.shape.rows }
    public var maximumTokens: Int { min(layout.maximumSequenceLength ?? maximumPositions, maximumPositions) }

    public func embed(_ sequences: [[Int]], context: ExecutionContext) throws -> Matrix {
        try embed(sequences, from: nil, context: context)
    }

    /// As `embed`, from a block on.
    /// - Parameter entry: of all sequences; nil for the tokens.
    package func embed(_ sequences: [[Int]], from entry: BlockEntry?, context: ExecutionContext) throws -> Matrix {
        try check(sequences)
        return network.encode(sequences, layout, from: entry, context: context)
    }

    public func observe(_ sequences: [[Int]], context: ExecutionContext, observer: ActivationObserver) throws {
        try check(sequences)
        network.observeEncoding(sequences, context: context, observer: observer)
    }
}
