import ArgumentParser
import Benchmarking
import Compression
import ModelFiles
import Transformers

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Continues a prompt with a causal language model.",
        discussion: """
            Writes the new text to standard output as it comes, and the speed to standard error.

            --contextual-sparsity lets only the neurons that were most active on the prompt write, and the whole model check \
            what they wrote every --kernel tokens (Sirius): a token that it finds less likely than --threshold goes, with all \
            behind it. The text may differ from the whole model's; --threshold 2 gives exactly that.

            Example:
              tessera run MODEL --prompt "The people" --temperature 0.7 --top-p 0.9
              tessera run MODEL --prompt "The people" --contextual-sparsity 50% --compare
            """)

    @Argument(help: "Model folder.")
    var model: String

    @Option(help: ArgumentHelp("Text to continue.", valueName: "text"))
    var prompt: String

    @Option(help: ArgumentHelp("Tokens to write at most.", valueName: "n"))
    var maxTokens = 128

    @Option(help: ArgumentHelp("0 takes the most likely token; 1 samples from the model's own distribution.", valueName: "t"))
    var temperature = 0.0

    @Option(help: ArgumentHelp("Sample from the smallest set of tokens whose probability reaches p.", valueName: "p"))
    var topP = 1.0

    @Option(help: ArgumentHelp("Seed of the sampling; the same seed gives the same text.", valueName: "n"))
    var seed: UInt64 = 0

    @Option(help: "Keys and values of earlier tokens: f32, f16 (half the memory) or int8 (a quarter).")
    var kvCache = CachePrecision.f32

    @Option(help: ArgumentHelp("Share of each feed-forward network's neurons that do not write.", valueName: "share"))
    var contextualSparsity: String?

    @Option(help: ArgumentHelp("Tokens written between two checks by the whole model.", valueName: "n"))
    var kernel: Int?

    @Option(help: ArgumentHelp("Least probability, at temperature 0.6, that the whole model gives a token that stays.", valueName: "p"))
    var threshold: Double?

    @Flag(help: "Write the text with the whole model too, and say how fast that is.")
    var compare = false

    @OptionGroup var runtime: RuntimeOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        _ = try sparsity()
        if prompt.isEmpty { throw ValidationError("--prompt: expected some text, got none") }
        if maxTokens < 1 { throw ValidationError("--max-tokens: expected at least 1, got \(maxTokens)") }
        if !(temperature >= 0 && temperature.isFinite) {
            throw ValidationError("--temperature: expected a number from 0, got \(temperature)")
        }
        if !(topP > 0 && topP <= 1) {
            throw ValidationError("--top-p: expected a number above 0, at most 1, got \(topP)")
        }
    }

    func run() throws {
        let ready = try ReadyModel.open(model, runtime, context: common.context)
        let loaded = ready.loaded
        let causal = try loaded.causal(for: "run")
        let ids = loaded.tokenizer.encode(prompt)
        let options = GenerationOptions(
            maximumTokens: maxTokens, temperature: temperature, topP: topP, seed: seed, stopTokens: loaded.stopTokens,
            cache: kvCache)
        var decoder = IncrementalDecoder(loaded.tokenizer)
        var text = ""
        var failure: (any Error)?
        func emit(_ piece: String) -> Bool {
            text += piece
            guard !common.json, !piece.isEmpty else { return true }
            do { try StandardOutput.write(piece) } catch { failure = error }
            return failure == nil
        }

        let clock = ContinuousClock()
        let start = clock.now
        var firstToken: ContinuousClock.Instant?
        var sparse: SparseRun?
        let generation: Generation
        func write(_ token: Int) -> Bool {
            if firstToken == nil { firstToken = clock.now }
            return emit(decoder.append(token))
        }
        if let sparsity = try sparsity() {
            let run = try SparseRun(
                causal, ids, options, sparsity, runtime.preparation, compares: compare, context: common.context, onToken: write)
            generation = run.written.generation
            sparse = run
        } else {
            generation = try causal.generate(ids, options: options, context: common.context, onToken: write)
        }
        let end = sparse?.end ?? clock.now
        _ = emit(decoder.finish())
        if let failure { throw failure }

        let speed = Speed(
            promptTokens: ids.count, prompt: start.duration(to: firstToken ?? end).inSeconds,
            newTokens: generation.tokens.count, decoding: (firstToken ?? end).duration(to: end).inSeconds)
        if common.json {
            try StandardOutput.write(document(text, generation, speed, ready, sparse))
        } else {
            try StandardOutput.write("\n")
            if !common.quiet { standardError(speed.text + (sparse?.text ?? "")) }
            if generation.end == .contextFull, !common.quiet {
                standardError("the text ends here because the model has \(causal.maximumPositions) positions\n")
            }
        }
    }

    private func document(
        _ text: String, _ generation: Generation, _ speed: Speed, _ ready: ReadyModel, _ sparse: SparseRun?
    ) -> JSONValue {
        let document: JSONValue = [
            "model": .string(model), "prompt": .string(prompt), "text": .string(text),
            "tokens": .array(generation.tokens.map { JSONValue($0) }), "end": .string(generation.end.rawValue),
            "prompt_tokens": JSONValue(speed.promptTokens), "prompt_seconds": JSONValue(speed.prompt),
            "tokens_per_second": JSONValue(speed.tokensPerSecond),
            "load_seconds": JSONValue(ready.loadSeconds), "pack_seconds": JSONValue(ready.packSeconds),
        ]
        guard let sparse, var object = document.objectValue else { return document }
        object["contextual_sparsity"] = sparse.document
        return .object(object)
    }

    /// Nil where the whole model writes.
    private func sparsity() throws -> ContextualSparsity? {
        guard let contextualSparsity else {
            if kernel != nil || threshold != nil || compare {
                throw ValidationError("--kernel, --threshold, --compare: go with --contextual-sparsity")
            }
            return nil
        }
        guard let share = try? Budget(contextualSparsity, quantity: .bytes).fraction, share < 1 else {
            throw ValidationError(
                "--contextual-sparsity: expected a share of less than 100 %, such as 50%, got '\(contextualSparsity)'")
        }
        let sparsity = ContextualSparsity(share: 1 - share, kernel: kernel ?? 16, threshold: threshold ?? 0.1)
        do { try sparsity.check() } catch { throw ValidationError("\(error)") }
        return sparsity
    }

    /// The first new token belongs to the prompt's time: it comes from the same pass.
    private struct Speed {
        let promptTokens: Int
        let prompt: Double
        let newTokens: Int
        let decoding: Double

        var tokensPerSecond: Double? { newTokens > 1 && decoding > 0 ? Double(newTokens - 1) / decoding : nil }

        var text: String {
            let rate = tokensPerSecond.map { ", then \(FigureText.fixed($0, decimals: 1)) tokens/s" } ?? ""
            return "prompt of \(promptTokens) tokens in \(FigureText.fixed(prompt, decimals: 3)) s\(rate)\n"
        }
    }
}
