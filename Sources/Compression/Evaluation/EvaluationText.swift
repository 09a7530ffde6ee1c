import Analysis
import Transformers

/// What quality is measured on.
public enum EvaluationText: Sendable {
    /// Scored pairs of sentences, for encoders.
    case pairs([SentencePair], name: String)
    /// One of them each, for encoders; repetitions are dropped.
    case sentences([String], name: String)
    /// Read whole and cut into windows of so many tokens (nil: the model's positions, at most 2048), for causal models.
    case prose(String, window: Int?, name: String)
    /// Token sequences as they are: sentences, or windows of one length.
    case sequences([[Int]], name: String)

    /// Windows are no longer unless they are asked for.
    public static let longestDefaultWindow = 2048

    /// What it is, for reports.
    public var name: String {
        switch self {
        case .pairs(_, let name), .sentences(_, let name), .prose(_, _, let name), .sequences(_, let name): name
        }
    }

    /// The distinct sentences of pairs and sentences.
    var sentences: [String] {
        switch self {
        case .pairs(let pairs, _): LoadedModel.distinct(pairs.flatMap { [$0.first, $0.second] })
        case .sentences(let sentences, _): LoadedModel.distinct(sentences)
        case .prose, .sequences: []
        }
    }

    /// The text in a model's tokens: a sequence for each sentence, a text that is read whole as one.
    /// - Throws: nothing but what the tokenizer throws.
    public func tokens(of loaded: LoadedModel) -> [[Int]] {
        switch self {
        case .pairs, .sentences: sentences.map { loaded.tokens($0) }
        case .prose(let text, _, _): [loaded.tokenizer.encode(text, addSpecialTokens: false)]
        case .sequences(let sequences, _): sequences
        }
    }
}
