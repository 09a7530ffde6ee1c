import Tensors
import Transformers

/// The measurements on texts, for models that bring their tokenizer.
extension LoadedModel {
    /// The embedding of each text, in slices, so that progress can be shown.
    /// - Throws: as `embed(_:context:)`, and what `progress` throws.
    public func embed(
        _ texts: [String], context: ExecutionContext, progress: MeasurementProgress
    ) throws -> Matrix {
        let slice = 256
        var elements: [Float] = []
        for first in stride(from: 0, to: texts.count, by: slice) {
            let end = min(first + slice, texts.count)
            elements += try embed(Array(texts[first..<end]), context: context).elements
            try progress(end, texts.count)
        }
        return Matrix(rows: texts.count, columns: try encoder.dimension, elements: elements)
    }

    /// Every distinct sentence of the pairs is embedded once.
    /// - Throws: `TransformersError.wrongKind` for a causal model; `AnalysisError`.
    public func similarity(
        _ pairs: [SentencePair], context: ExecutionContext = ExecutionContext(),
        progress: MeasurementProgress = { _, _ in }
    ) throws -> SentenceSimilarity {
        let sentences = Self.distinct(pairs.flatMap { [$0.first, $0.second] })
        let embeddings = try embed(sentences, context: context, progress: progress)
        return try SentenceSimilarity.measure(pairs, sentences: sentences, embeddings: embeddings)
    }

    /// Compares this encoder with a reference on the distinct ones of some sentences.
    /// - Throws: `TransformersError.wrongKind` for a causal model; `AnalysisError`.
    public func encoderFidelity(
        to reference: LoadedModel, sentences: [String], neighbours: Int = 10,
        context: ExecutionContext = ExecutionContext(), progress: MeasurementProgress = { _, _ in }
    ) throws -> EncoderFidelity {
        let distinct = Self.distinct(sentences)
        let wanted = try reference.embed(distinct, context: context) { done, total in
            try progress(done, 2 * total)
        }
        let got = try embed(distinct, context: context) { done, total in try progress(total + done, 2 * total)
        }
        return try EncoderFidelity.measure(got, reference: wanted, neighbours: neighbours, context: context)
    }

    /// The whole text is encoded once, without special tokens around it.
    /// - Throws: `TransformersError.wrongKind` for an encoder; as `Perplexity.measure`.
    public func perplexity(
        _ text: String, windowSize: Int? = nil, context: ExecutionContext = ExecutionContext(),
        progress: MeasurementProgress = { _, _ in }
    ) throws -> Perplexity {
        try Perplexity.measure(
            causal, tokens: tokenizer.encode(text, addSpecialTokens: false), windowSize: windowSize,
            byteCount: { tokenizer.decode($0, skipSpecialTokens: false).utf8.count }, context: context,
            progress: progress)
    }

    /// The text is encoded once, by the reference's tokenizer, without special tokens around it.
    /// - Throws: `TransformersError.wrongKind` for an encoder; as `CausalFidelity.measure`.
    public func causalFidelity(
        to reference: LoadedModel, text: String, windowSize: Int? = nil,
        context: ExecutionContext = ExecutionContext(), progress: MeasurementProgress = { _, _ in }
    ) throws -> CausalFidelity {
        try CausalFidelity.measure(
            causal, reference: reference.causal,
            tokens: reference.tokenizer.encode(text, addSpecialTokens: false),
            windowSize: windowSize, context: context, progress: progress)
    }

    /// The texts without repetitions, told apart by their bytes, each where it stood first.
    public static func distinct(_ texts: [String]) -> [String] {
        var seen: Set<[UInt8]> = []
        return texts.filter { seen.insert(Array($0.utf8)).inserted }
    }
}
