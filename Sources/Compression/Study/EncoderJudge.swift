import Analysis
import StructuredMatrices
import Tensors
import Transformers

/// What tells how much of an encoder is left once its matrices were replaced: scored sentence pairs, and the dense model's
/// own embeddings of their sentences.
public struct EncoderJudge: Sendable {
    public let pairs: [SentencePair]
    public let sentences: [String]
    private let dense: Matrix

    public struct Verdict: Sendable, Equatable {
        public let similarity: SentenceSimilarity
        public let fidelity: EncoderFidelity
    }

    /// - Throws: `TransformersError.wrongKind` for a causal model; `AnalysisError`.
    public init(_ loaded: LoadedModel, pairs: [SentencePair], context: ExecutionContext) throws {
        self.pairs = pairs
        sentences = LoadedModel.distinct(pairs.flatMap { [$0.first, $0.second] })
        dense = try Self.embed(sentences, loaded, context)
    }

    /// The model as it is and, with `matrices` in place, what has become of it.
    /// - Throws: `AnalysisError`, also where embeddings are not finite.
    public func verdict(
        on loaded: LoadedModel, with matrices: [ModelFits.Matrix] = [], context: ExecutionContext
    ) throws -> Verdict {
        var changed = loaded
        for fitted in matrices { changed.model[site: fitted.site.name] = fitted.matrix }
        let embeddings = matrices.isEmpty ? dense : try Self.embed(sentences, changed, context)
        return Verdict(
            similarity: try SentenceSimilarity.measure(pairs, sentences: sentences, embeddings: embeddings),
            fidelity: try EncoderFidelity.measure(embeddings, reference: dense, context: context))
    }

    /// Activations stay as they are: what is judged is the matrices alone.
    private static func embed(_ sentences: [String], _ loaded: LoadedModel, _ context: ExecutionContext) throws -> Matrix {
        var loaded = loaded
        loaded.model.prepare(PreparationOptions(activations: .none), context: context)
        return try loaded.embed(sentences, context: context)
    }
}
