import Tensors

/// A model that turns a token sequence into one vector.
public protocol EncoderModel: TransformerModel {
    /// Numbers in an embedding.
    var dimension: Int { get }

    /// The embedding of each sequence, sequences x dimension. The same bits for any number of threads; which sequences
    /// are given together changes nothing beyond float rounding.
    /// - Throws: `TransformersError.tokenOutOfRange`, `.sequenceTooLong`, `.emptySequence`.
    func embed(_ sequences: [[Int]], context: ExecutionContext) throws -> Matrix
}

/// A model that gives every token the scores of its successor.
public protocol CausalModel: TransformerModel {
    /// A cache for this model's layers, without tokens.
    func makeCache(_ precision: CachePrecision) -> KeyValueCache

    /// The scores after each token of one sequence, tokens x vocabulary.
    /// - Throws: `TransformersError.tokenOutOfRange`, `.sequenceTooLong`, `.emptySequence`.
    func logits(_ tokens: [Int], context: ExecutionContext) throws -> Matrix

    /// Appends tokens to each of several sequences and returns the scores after the last of each, sequences x vocabulary.
    /// `tokens[i]` continues what `caches[i]` holds: a whole prompt or one token.
    /// - Throws: as `logits`; the caches are then as they were.
    func advance(_ tokens: [[Int]], caches: inout [KeyValueCache], context: ExecutionContext) throws -> Matrix
}

extension CausalModel {
    /// A cache that keeps keys and values as they are.
    public func makeCache() -> KeyValueCache { makeCache(.f32) }

    /// Starts a sequence: the scores after its last token, and the cache that continues it.
    /// - Throws: as `logits`.
    public func prefill(_ tokens: [Int], context: ExecutionContext) throws -> (
        logits: [Float], cache: KeyValueCache
    ) {
        var caches = [makeCache()]
        let scores = try advance([tokens], caches: &caches, context: context)
        return (scores.elements, caches[0])
    }

    /// Appends one token to a sequence: the scores after it.
    /// - Throws: as `logits`.
    public func decode(_ token: Int, cache: inout KeyValueCache, context: ExecutionContext) throws -> [Float]
    {
        var caches = [cache]
        // The array then holds the only reference, so that appending does not copy what is cached.
        cache = .none
        defer { cache = caches[0] }
        return try advance([[token]], caches: &caches, context: context).elements
    }
}

extension TransformerModel {
    /// Whether the model can run on these sequences.
    /// - Throws: `TransformersError.tokenOutOfRange`, `.sequenceTooLong`, `.emptySequence`.
    public func check(_ sequences: [[Int]]) throws {
        for sequence in sequences {
            guard !sequence.isEmpty else { throw TransformersError.emptySequence }
            guard sequence.count <= maximumPositions else {
                throw TransformersError.sequenceTooLong(count: sequence.count, maximum: maximumPositions)
            }
            if let token = sequence.first(where: { $0 < 0 || $0 >= vocabularySize }) {
                throw TransformersError.tokenOutOfRange(token: token, vocabulary: vocabularySize)
            }
        }
    }
}
