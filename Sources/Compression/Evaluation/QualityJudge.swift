import Analysis
import StructuredMatrices
import Tensors
import Transformers

/// What tells how much of a model is left once its matrices were replaced: a text, and the original on it.
///
/// Encoders: mean cosine of the embeddings to the original's, overlap of the ten nearest neighbours and, on scored pairs,
/// Spearman's correlation x 100. Causal models: perplexity in windows, Kullback-Leibler divergence from the original (mean,
/// median, 95 % and 99 % of the tokens), how often both find the same token most likely. All with standard errors.
public struct QualityJudge: Sendable {
    /// Figures of the original by itself: the correlation with the scores, the perplexity.
    public let original: [QualityFigure]
    public let text: EvaluationText
    private let reference: Reference
    private let options: PreparationOptions

    private enum Reference: Sendable {
        case pairs(EncoderJudge)
        case sentences([[Int]], Matrix)
        case windows(CausalReference)
    }

    /// Runs the original on the text.
    /// - Parameter options: how the models are laid out for products; their activations stay as they are by default, so
    ///   that what is judged is the matrices alone.
    /// - Throws: `TransformersError.wrongKind` for a text that the model's kind has no use for; `AnalysisError`.
    public init(
        _ loaded: LoadedModel, _ text: EvaluationText, options: PreparationOptions = PreparationOptions(activations: .none),
        context: ExecutionContext, progress: MeasurementProgress = { _, _ in }
    ) throws {
        self.text = text
        self.options = options
        var prepared = loaded
        prepared.model.prepare(options, context: context)
        switch text {
        case .pairs(let pairs, _):
            let judge = try EncoderJudge(loaded, pairs: pairs, options: options, context: context)
            reference = .pairs(judge)
            original = [Self.figure(try judge.verdict(on: loaded, context: context).similarity)]
        case .sentences:
            let sequences = text.tokens(of: loaded)
            reference = .sentences(sequences, try prepared.encoder.embed(sequences, context: context))
            original = []
        case .prose(_, let window, _):
            let causal = try prepared.causal
            let size = window ?? min(causal.maximumPositions, EvaluationText.longestDefaultWindow)
            let tokens = text.tokens(of: loaded).flatMap { $0 }
            (reference, original) = try Self.windows(causal, tokens, size, context, progress)
        case .sequences(let sequences, _):
            if let encoder = prepared.model as? any EncoderModel {
                reference = .sentences(sequences, try encoder.embed(sequences, context: context))
                original = []
            } else {
                // Only whole windows, so that cutting their concatenation anew gives the same windows.
                let causal = try prepared.causal
                let size = sequences.map(\.count).max() ?? 0
                let tokens = sequences.filter { $0.count == size }.flatMap { $0 }
                (reference, original) = try Self.windows(causal, tokens, size, context, progress)
            }
        }
    }

    /// What has become of the model.
    /// - Throws: `AnalysisError`, also where outputs are not finite; `TransformersError`.
    public func figures(
        of model: any TransformerModel, context: ExecutionContext, progress: MeasurementProgress = { _, _ in }
    ) throws -> [QualityFigure] {
        var model = model
        model.prepare(options, context: context)
        switch reference {
        case .pairs(let judge):
            let verdict = try judge.verdict(of: model, context: context)
            return [Self.figure(verdict.similarity)] + QualityFigure.all(of: verdict.fidelity)
        case .sentences(let sequences, let dense):
            guard let encoder = model as? any EncoderModel else { return [] }
            let embeddings = try encoder.embed(sequences, context: context)
            return QualityFigure.all(
                of: try EncoderFidelity.measure(embeddings, reference: dense, context: context))
        case .windows(let dense):
            guard let causal = model as? any CausalModel else { return [] }
            return Self.figures(
                try CausalFidelity.measure(causal, reference: dense, context: context, progress: progress))
        }
    }

    // MARK: - Names

    private static func figure(_ similarity: SentenceSimilarity) -> QualityFigure {
        QualityFigure(
            name: "STS, Spearman x 100", key: "sts_spearman_100", value: similarity.spearman,
            standardError: similarity.standardError,
            measuredOn: "\(FigureText.grouped(similarity.pairs)) pairs of "
                + "\(FigureText.grouped(similarity.distinctSentences)) sentences")
    }

    private static func figures(_ fidelity: CausalFidelity) -> [QualityFigure] {
        let on = "\(FigureText.grouped(fidelity.tokens)) tokens in windows of \(fidelity.windowSize)"
        func figure(_ name: String, _ key: String, _ value: Double, _ error: Double) -> QualityFigure {
            QualityFigure(name: name, key: key, value: value, standardError: error, measuredOn: on)
        }
        return [
            figure("perplexity", "perplexity", fidelity.perplexity, fidelity.perplexityStandardError),
            figure("KL, mean", "kl_mean", fidelity.meanDivergence, fidelity.meanDivergenceStandardError),
            figure("KL, median", "kl_median", fidelity.medianDivergence, fidelity.medianDivergenceStandardError),
            figure("KL, 95 %", "kl_95", fidelity.quantile95Divergence, fidelity.quantile95DivergenceStandardError),
            figure("KL, 99 %", "kl_99", fidelity.quantile99Divergence, fidelity.quantile99DivergenceStandardError),
            figure(
                "top-1 agreement", "top_1_agreement", fidelity.topOneAgreement, fidelity.topOneAgreementStandardError),
        ]
    }

    private static func windows(
        _ causal: any CausalModel, _ tokens: [Int], _ size: Int, _ context: ExecutionContext,
        _ progress: MeasurementProgress
    ) throws -> (Reference, [QualityFigure]) {
        let reference = try CausalReference(
            causal, tokens: tokens, windowSize: size, context: context, progress: progress)
        let measured = try Perplexity.measure(causal, tokens: tokens, windowSize: size, context: context)
        let figure = QualityFigure(
            name: "perplexity", key: "perplexity", value: measured.perplexity,
            standardError: measured.perplexityStandardError,
            measuredOn: "\(FigureText.grouped(measured.scoredTokens)) tokens in windows of \(measured.windowSize)")
        return (.windows(reference), [figure])
    }
}
