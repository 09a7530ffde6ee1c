import Analysis
import StructuredMatrices
import Tensors
import Transformers

/// What tells how much of an encoder is left once its matrices were replaced: scored sentence pairs, and the dense model's
/// own embeddings of their sentences.
public struct EncoderJudge: Sendable {
    public let pairs: [SentencePair]
    public let sentences: [String]
    private let sequences: [[Int]]
    private let dense: Matrix
    private let options: PreparationOptions

    public struct Verdict: Sendable, Equatable {
        public let similarity: SentenceSimilarity
        public let fidelity: EncoderFidelity
    }

    /// - Parameter options: how models are laid out for products; activations stay as they are by default, so that what is
    ///   judged is the matrices alone.
    /// - Throws: `TransformersError.wrongKind` for a causal model; `AnalysisError`.
    public init(
        _ loaded: LoadedModel, pairs: [SentencePair],
        options: PreparationOptions = PreparationOptions(activations: .none), context: ExecutionContext
    ) throws {
        self.pairs = pairs
        self.options = options
        _ = try loaded.encoder
        let sentences = LoadedModel.distinct(pairs.flatMap { [$0.first, $0.second] })
        let sequences = try context.parallelMap(sentences.count) { loaded.tokens(sentences[$0]) }
        (self.sentences, self.sequences) = (sentences, sequences)
        dense = try Self.embed(sequences, loaded.model, options, context)
    }

    /// The model as it is and, with `matrices` in place, what has become of it.
    /// - Throws: `AnalysisError`, also where embeddings are not finite.
    public func verdict(
        on loaded: LoadedModel, with matrices: [ModelFits.Matrix] = [], context: ExecutionContext
    ) throws -> Verdict {
        guard !matrices.isEmpty else { return try verdict(embeddings: dense, context) }
        var changed = loaded.model
        for fitted in matrices { changed[site: fitted.site.name] = fitted.matrix }
        return try verdict(of: changed, context: context)
    }

    /// What has become of the model, its matrices replaced already.
    /// - Throws: as above.
    public func verdict(of model: any TransformerModel, context: ExecutionContext) throws -> Verdict {
        try verdict(embeddings: try Self.embed(sequences, model, options, context), context)
    }

    private func verdict(embeddings: Matrix, _ context: ExecutionContext) throws -> Verdict {
        Verdict(
            similarity: try SentenceSimilarity.measure(pairs, sentences: sentences, embeddings: embeddings),
            fidelity: try EncoderFidelity.measure(embeddings, reference: dense, context: context))
    }

    private static func embed(
        _ sequences: [[Int]], _ model: any TransformerModel, _ options: PreparationOptions, _ context: ExecutionContext
    ) throws -> Matrix {
        var model = model
        model.prepare(options, context: context)
        guard let encoder = model as? any EncoderModel else { return Matrix(rows: 0, columns: 0) }
        return try encoder.embed(sequences, context: context)
    }
}
