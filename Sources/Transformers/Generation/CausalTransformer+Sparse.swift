import Foundation
import StructuredMatrices
import Tensors

extension CausalTransformer {
    /// Continues a prompt as `sparsity` says, showing tokens to `onToken` once they are checked; `false` from it ends the text.
    /// Memory: the chosen part of the feed-forward matrices, once more.
    /// - Parameters:
    ///   - preparation: how the part that writes is laid out for products.
    ///   - onStart: told when the prompt has been read and the neurons are chosen.
    /// - Throws: `TransformersError.invalidOption` (also where feed-forward matrices are not dense, or experts); as `generate`
    ///   for the prompt.
    public func generate(
        _ prompt: [Int], options: GenerationOptions, sparsity: ContextualSparsity,
        preparation: PreparationOptions = PreparationOptions(), context: ExecutionContext,
        onToken: (Int) -> Bool = { _ in true }, onStart: () -> Void = {}
    ) throws -> SparseGeneration {
        try sparsity.check()
        guard options.maximumTokens >= 0 else {
            throw TransformersError.invalidOption(
                name: "maximum tokens", expected: "a number from 0", got: "\(options.maximumTokens)")
        }
        try check([prompt])
        var sampler = try Sampler(
            temperature: options.temperature, topP: options.topP,
            generator: SeededGenerator(seed: options.seed, stream: "prompt 0"))
        var caches = [makeCache(options.cache)]
        var activity = NeuronActivity(network)
        let last = try read(prompt, caches: &caches, context: context) { activity.add($1, of: $0) }
        let neurons = activity.chosen(sparsity.share)
        let part = CausalTransformer(network: try network.keeping(neurons, preparation, context: context))
        var text = WrittenText(options: options)
        var work = SparseGeneration.Work(
            fullMultiplyAdds: network.multiplyAdds, sparseMultiplyAdds: part.network.multiplyAdds)
        onStart()
        text.append(sampler.next(last), onToken)
        while text.end == nil {
            let start = caches[0].count
            let length = min(sparsity.kernel ?? 1, options.maximumTokens - text.tokens.count, maximumPositions - start)
            guard length > 0 else {
                text.end = .contextFull
                break
            }
            let before = text.tokens.count
            var drafted: [Int] = []
            while drafted.count < length, drafted.last.map({ !options.stopTokens.contains($0) }) ?? true {
                let scores = try part.advance([[drafted.last ?? text.last]], caches: &caches, context: context)
                drafted.append(sampler.next(scores.elements))
            }
            work.sparseTokens += drafted.count
            if sparsity.kernel != nil {
                caches[0].truncate(to: start)
                let scores = try scores(of: [text.last] + drafted.dropLast(), caches: &caches, context: context)
                work.passes += 1
                work.checkedTokens += drafted.count
                let wrong = drafted.indices.first {
                    sparsity.probability(of: drafted[$0], scores.row($0)) < sparsity.threshold
                }
                if let wrong {
                    caches[0].truncate(to: start + wrong + 1)
                    drafted = drafted[..<wrong] + [sampler.next(scores.row(wrong))]
                }
            }
            for token in drafted where text.end == nil { text.append(token, onToken) }
            work.tokens += text.tokens.count - before
        }
        // A text may end within what was written together.
        caches[0].truncate(to: min(caches[0].count, prompt.count + max(0, text.tokens.count - 1)))
        return SparseGeneration(
            generation: Generation(tokens: text.tokens, end: text.end ?? .maximumTokens), neurons: neurons, work: work,
            cache: caches[0])
    }

    /// Appends several tokens to a sequence: the scores after each of them, tokens x vocabulary.
    private func scores(of tokens: [Int], caches: inout [KeyValueCache], context: ExecutionContext) throws -> Matrix {
        caches[0].reserve(tokens.count)
        var scores = Matrix(rows: tokens.count, columns: vocabularySize)
        scores.withMutableView { scores in
            run(SequenceBatch([tokens]), caches: caches, wanted: Array(tokens.indices), scores: scores, context: context)
        }
        caches[0].advance(by: tokens.count)
        return scores
    }

    /// Starts a sequence: the scores after its last token, the cache that continues it, and every block's hidden features on
    /// the way (by the block's index).
    private func read(
        _ prompt: [Int], caches: inout [KeyValueCache], context: ExecutionContext, hidden: (Int, MatrixView) -> Void
    ) throws -> [Float] {
        let blocks = Dictionary(
            network.blocks.enumerated().map { ($1.names.downInput, $0) }, uniquingKeysWith: { first, _ in first })
        var scores = Matrix(rows: 1, columns: vocabularySize)
        caches[0].reserve(prompt.count)
        for first in stride(from: 0, to: prompt.count, by: Network.tokensPerBatch) {
            let part = Array(prompt[first..<min(prompt.count, first + Network.tokensPerBatch)])
            let isLast = first + part.count == prompt.count
            scores.withMutableView { scores in
                run(
                    SequenceBatch([part]), caches: caches, wanted: isLast ? [part.count - 1] : [], scores: scores,
                    context: context, isObserved: true
                ) { name, activations in
                    if let block = blocks[name] { hidden(block, activations) }
                }
            }
            caches[0].advance(by: part.count)
        }
        return scores.elements
    }
}

extension ContextualSparsity {
    /// Of a token, by the whole model's scores.
    fileprivate func probability(of token: Int, _ scores: ArraySlice<Float>) -> Double {
        let most = Double(scores.max() ?? 0)
        let sum = scores.reduce(0.0) { $0 + exp((Double($1) - most) / temperature) }
        return exp((Double(scores[scores.startIndex + token]) - most) / temperature) / sum
    }
}

/// A text as it is written, and why it ended.
private struct WrittenText {
    let options: GenerationOptions
    private(set) var tokens: [Int] = []
    var end: Generation.End?

    init(options: GenerationOptions) {
        self.options = options
        if options.maximumTokens == 0 { end = .maximumTokens }
    }

    /// The token that the next one follows.
    var last: Int { tokens.last ?? 0 }

    mutating func append(_ token: Int, _ onToken: (Int) -> Bool) {
        guard end == nil else { return }
        if options.stopTokens.contains(token) {
            end = .stopToken
            return
        }
        tokens.append(token)
        if !onToken(token) {
            end = .cancelled
        } else if tokens.count == options.maximumTokens {
            end = .maximumTokens
        }
    }
}
