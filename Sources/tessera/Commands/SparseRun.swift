import Benchmarking
import Compression
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// A text written with contextual sparsity, and beside it the whole model's where that is asked for.
struct SparseRun {
    let written: SparseGeneration
    let end: ContinuousClock.Instant
    private let sparsity: ContextualSparsity
    /// Reading the prompt and choosing neurons.
    private let startSeconds: Double
    private var full: (tokens: [Int], tokensPerSecond: Double?)?

    /// - Throws: `CommandError.wrongKind` for models that are no network of blocks; `TransformersError`.
    init(
        _ model: any CausalModel, _ prompt: [Int], _ options: GenerationOptions, _ sparsity: ContextualSparsity,
        _ preparation: PreparationOptions, compares: Bool, context: ExecutionContext, onToken: (Int) -> Bool
    ) throws {
        guard let causal = model as? CausalTransformer else {
            throw CommandError.conflictingOptions("--contextual-sparsity: this model is not a network of blocks")
        }
        let clock = ContinuousClock()
        let start = clock.now
        var chosen = start
        written = try causal.generate(
            prompt, options: options, sparsity: sparsity, preparation: preparation, context: context,
            onToken: onToken, onStart: { chosen = clock.now })
        end = clock.now
        self.sparsity = sparsity
        startSeconds = start.duration(to: chosen).inSeconds
        guard compares else { return }
        var first: ContinuousClock.Instant?
        let whole = try causal.generate(prompt, options: options, context: context) { _ in
            if first == nil { first = clock.now }
            return true
        }
        let seconds = (first ?? clock.now).duration(to: clock.now).inSeconds
        full = (whole.tokens, whole.tokens.count > 1 && seconds > 0 ? Double(whole.tokens.count - 1) / seconds : nil)
    }

    /// Tokens at the beginning that are the whole model's.
    private var agreement: Int? {
        full.map { full in zip(full.tokens, written.generation.tokens).prefix { $0 == $1 }.count }
    }

    /// Lines that end with newlines.
    var text: String {
        let work = written.work
        var lines =
            "neurons chosen in \(FigureText.fixed(startSeconds, decimals: 3)) s with the prompt's pass; the part that writes has "
            + "\(FigureText.percent(work.density)) of the multiply-adds\n"
        if let accepted = work.tokensPerPass {
            lines += "\(FigureText.fixed(accepted, decimals: 1)) tokens for each check of up to \(sparsity.kernel ?? 0); "
        }
        lines +=
            "effective density \(FigureText.percent(work.effectiveDensity)) of the weights read, "
            + "\(FigureText.percent(work.effectiveMultiplyAdds)) of the multiply-adds\n"
        if let full {
            let speed = full.tokensPerSecond.map { "\(FigureText.fixed($0, decimals: 1)) tokens/s" } ?? "no time for one token"
            lines += "the whole model: \(speed), the same first \(agreement ?? 0) of \(full.tokens.count) tokens\n"
        }
        return lines
    }

    var document: JSONValue {
        let work = written.work
        var object = JSONObject()
        object["share"] = JSONValue(sparsity.share)
        object["kernel"] = sparsity.kernel.map { JSONValue($0) }
        object["threshold"] = JSONValue(sparsity.threshold)
        object["start_seconds"] = JSONValue(startSeconds)
        object["density"] = JSONValue(work.density)
        object["tokens_per_pass"] = work.tokensPerPass.map { JSONValue($0) }
        object["passes"] = JSONValue(work.passes)
        object["effective_density"] = JSONValue(work.effectiveDensity)
        object["effective_multiply_adds"] = JSONValue(work.effectiveMultiplyAdds)
        if let full {
            object["full_tokens_per_second"] = full.tokensPerSecond.map { JSONValue($0) }
            object["same_first_tokens"] = agreement.map { JSONValue($0) }
        }
        return .object(object)
    }
}
