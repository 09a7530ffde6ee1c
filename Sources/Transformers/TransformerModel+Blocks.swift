import Tensors

/// A model whose blocks (its layers) can be run one after another over all sequences, the caller keeping the hidden states
/// between them: what every block sees can then be looked at with the weights of one block in memory.
public protocol BlockwiseModel: TransformerModel {
    var blockCount: Int { get }

    /// Numbers of a token's hidden state between two blocks.
    var hiddenSize: Int { get }

    /// The inputs (`MatrixSite.input`) that a block shows; the last block's with those of what follows it.
    func inputs(ofBlock index: Int) -> [String]

    /// Runs one block over one batch of sequences as `observe` would: the observer sees the same bits.
    /// - Parameter hidden: the hidden states before the block, tokens x hidden; nil looks them up, before the first block.
    /// - Returns: the hidden states after the block.
    /// - Throws: `TransformersError.tokenOutOfRange`, `.sequenceTooLong`, `.emptySequence`.
    func observe(
        _ sequences: [[Int]], block: Int, hidden: Matrix?, context: ExecutionContext, observer: ActivationObserver
    ) throws -> Matrix

    /// How `observe` cuts sequences, in their order, into batches.
    func batches(_ sequences: [[Int]]) -> [Range<Int>]
}
