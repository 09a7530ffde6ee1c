import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Texts written by the neurons that mattered for the prompt, and checked by the whole model.
@Suite struct ContextualSparsityTests {
    private let context = ExecutionContext(threads: 2)
    private let prompt = [5, 17, 40, 3, 22, 9]

    private static func prepared(_ model: CausalTransformer) -> CausalTransformer {
        var model = model
        model.prepare(PreparationOptions(), context: .serial)
        return model
    }

    /// More positions than the other tests need.
    private static func model() throws -> CausalTransformer {
        prepared(try SmallModels.llama(changing: ["max_position_embeddings": 200]))
    }

    private func options(_ tokens: Int) -> GenerationOptions { GenerationOptions(maximumTokens: tokens) }

    @Test(arguments: [1, 3, 16]) func aThresholdAboveOneIsTheWholeModel(kernel: Int) throws {
        let model = try Self.model()
        let full = try model.generate(prompt, options: options(30), context: context)
        let sparse = try model.generate(
            prompt, options: options(30), sparsity: ContextualSparsity(share: 0.3, kernel: kernel, threshold: 1.5),
            context: context)
        #expect(sparse.generation == full)
        // Every check gives one token of the whole model's.
        #expect(sparse.work.passes == 29 && sparse.work.tokensPerPass == 1)
    }

    @Test func allNeuronsAreTheWholeModel() throws {
        let model = try Self.model()
        let full = try model.generate(prompt, options: options(30), context: context)
        let sparse = try model.generate(
            prompt, options: options(30), sparsity: ContextualSparsity(share: 1, kernel: 7, threshold: 0), context: context)
        #expect(sparse.generation == full)
        #expect(sparse.work.density == 1)
        #expect(sparse.work.passes == 5 && sparse.work.sparseTokens == 29)
    }

    /// The model with the neurons that were chosen and no others, behind the whole model's reading of the prompt.
    @Test func withoutChecksThePartWritesAlone() throws {
        let model = try Self.model()
        let sparse = try model.generate(
            prompt, options: options(25), sparsity: ContextualSparsity(share: 0.5, kernel: nil, threshold: 0), context: context)
        var part = model
        for (block, kept) in sparse.neurons.enumerated() {
            #expect(kept.count == 20 && kept == kept.sorted())
            var sizes = model.blockSizes[block]
            sizes.feedForwardWidth = kept.count
            func rows(_ matrix: BlockMatrix) -> (weight: any StructuredMatrix, bias: [Float]?) {
                let (weight, bias) = model.linear(block, matrix)
                return (Dense(weight.gather(rows: kept)), bias.map { bias in kept.map { bias[$0] } })
            }
            let down = model.linear(block, .down)
            let whole = down.weight.dense()
            part.setBlock(
                block, sizes: sizes,
                matrices: [
                    .gate: rows(.gate), .up: rows(.up),
                    .down: (Dense(Matrix(rows: whole.rows, columns: kept.count) { whole[$0, kept[$1]] }), down.bias),
                ])
        }
        var (scores, cache) = try model.prefill(prompt, context: context)
        var tokens: [Int] = []
        while tokens.count < 25 {
            tokens.append(Sampler.greedy(scores))
            scores = try part.decode(tokens[tokens.count - 1], cache: &cache, context: context)
        }
        #expect(sparse.generation.tokens == tokens)
        #expect(sparse.work.passes == 0 && sparse.work.sparseTokens == 24)
        #expect(abs(sparse.work.effectiveDensity - sparse.work.density) < 1e-12)
    }

    /// The most active neurons of the prompt, by brute force.
    @Test func neuronsAreThoseOfThePrompt() throws {
        let model = try Self.model()
        let sparse = try model.generate(
            prompt, options: options(1), sparsity: ContextualSparsity(share: 0.25), context: context)
        var sums: [String: [Double]] = [:]
        try model.observe([prompt], context: context) { name, rows in
            for row in 0..<rows.rows {
                let values = (0..<rows.columns).map { Double(rows.row(row)[$0]) }
                let squared = values.reduce(0) { $0 + $1 * $1 }
                let parts = values.map { $0 * $0 / squared }
                sums[name] = sums[name].map { zip($0, parts).map(+) } ?? parts
            }
        }
        for block in 0..<2 {
            let own = try #require(sums[model.inputName(block, .down)])
            #expect(sparse.neurons[block] == own.indices.sorted { own[$0] > own[$1] }.prefix(10).sorted())
        }
    }

    /// What the checks leave of a text is what the whole model makes of it in one pass: every token that stays has the
    /// probability that was asked for, every one that came in its place is the whole model's own.
    @Test func checkedTokensAreLikelyEnough() throws {
        let model = try Self.model()
        let threshold = 0.05
        let sparse = try model.generate(
            prompt, options: options(60), sparsity: ContextualSparsity(share: 0.3, kernel: 5, threshold: threshold),
            context: context)
        let tokens = sparse.generation.tokens
        let scores = try model.logits(prompt + tokens, context: context)
        for (index, token) in tokens.enumerated() {
            let row = scores.row(prompt.count + index - 1).map { Double($0) / 0.6 }
            let most = row.max() ?? 0
            let probability = exp(row[token] - most) / row.reduce(0) { $0 + exp($1 - most) }
            #expect(probability >= threshold - 1e-4 || token == Sampler.greedy(Array(scores.row(prompt.count + index - 1))))
        }
        #expect(sparse.work.tokens == 59)
        #expect(sparse.work.checkedTokens == sparse.work.sparseTokens)
    }

    /// Keys and values are those of a run of the whole model over the text, bit for bit.
    @Test(arguments: [0.05, 0.6]) func checksLeaveTheWholeModelsCache(threshold: Double) throws {
        let model = try Self.model()
        for tokens in [1, 7, 33] {
            let sparse = try model.generate(
                prompt, options: options(tokens), sparsity: ContextualSparsity(share: 0.3, kernel: 5, threshold: threshold),
                context: context)
            var cache = sparse.cache
            let text = prompt + sparse.generation.tokens
            #expect(cache.count == text.count - 1)
            let next = try model.decode(text[text.count - 1], cache: &cache, context: context)
            #expect(try model.prefill(text, context: context).logits == next)
        }
        // Those of the part that writes are others.
        let sparse = try model.generate(
            prompt, options: options(20), sparsity: ContextualSparsity(share: 0.3, kernel: nil), context: context)
        var cache = sparse.cache
        let text = prompt + sparse.generation.tokens
        let next = try model.decode(text[text.count - 1], cache: &cache, context: context)
        #expect(try model.prefill(text, context: context).logits != next)
    }

    /// The formulas against sums over all matrices of what ran.
    @Test func workIsWhatWasMultiplied() throws {
        let model = try Self.model()
        let work = try model.generate(
            prompt, options: options(40), sparsity: ContextualSparsity(share: 0.25, kernel: 6, threshold: 0.05), context: context
        ).work
        let linears = model.sites.filter { $0.role == .linear || $0.name == "model.embed_tokens" }
        let full = linears.reduce(0) { $0 + $1.shape.count }
        let part = linears.reduce(0) { $0 + ($1.name.contains(".mlp.") ? $1.shape.count / 4 : $1.shape.count) }
        #expect(work.fullMultiplyAdds == full && work.sparseMultiplyAdds == part)
        let read = Double(part * work.sparseTokens + full * work.passes)
        #expect(abs(work.effectiveDensity - read / Double(full * work.tokens)) < 1e-12)
        let multiplied = Double(part * work.sparseTokens + full * work.checkedTokens)
        #expect(abs(work.effectiveMultiplyAdds - multiplied / Double(full * work.tokens)) < 1e-12)
        #expect(work.passes <= work.tokens && work.passes * 6 >= work.tokens)
    }

    /// The same tokens whatever the threads, and streamed as they are returned.
    @Test func tokensComeAsTheyAreChecked() throws {
        let model = try Self.model()
        let sparsity = ContextualSparsity(share: 0.3, kernel: 4, threshold: 0.05)
        let options = GenerationOptions(maximumTokens: 20, temperature: 0.8, seed: 3)
        var shown: [Int] = []
        let first = try model.generate(prompt, options: options, sparsity: sparsity, context: .serial) {
            shown.append($0)
            return true
        }
        #expect(shown == first.generation.tokens && shown.count == 20)
        let second = try model.generate(prompt, options: options, sparsity: sparsity, context: ExecutionContext(threads: 3))
        #expect(first.generation == second.generation && first.work == second.work && first.neurons == second.neurons)
        let cut = try model.generate(prompt, options: options, sparsity: sparsity, context: .serial) { _ in
            shown.removeLast()
            return shown.count > 15
        }
        #expect(cut.generation.end == .cancelled && cut.generation.tokens == Array(first.generation.tokens.prefix(5)))
    }

    @Test func textsEndAsTheWholeModelsDo() throws {
        let model = Self.prepared(try SmallModels.llama())
        let full = try model.generate(prompt, options: options(100), context: context)
        #expect(full.end == .contextFull)
        let sparsity = ContextualSparsity(share: 0.3, kernel: 5, threshold: 2)
        let sparse = try model.generate(prompt, options: options(100), sparsity: sparsity, context: context)
        #expect(sparse.generation == full)
        var stopping = options(100)
        stopping.stopTokens = [full.tokens[7]]
        let stopped = try model.generate(prompt, options: stopping, context: context)
        #expect(stopped.end == .stopToken)
        #expect(
            try model.generate(prompt, options: stopping, sparsity: sparsity, context: context).generation == stopped)
    }

    @Test func whatCannotBeDoneIsRefused() throws {
        let model = try Self.model()
        func message(_ model: CausalTransformer, _ sparsity: ContextualSparsity) -> String {
            do {
                _ = try model.generate([1], options: options(1), sparsity: sparsity, context: .serial)
                return "no error"
            } catch { return "\(error)" }
        }
        #expect(
            message(model, ContextualSparsity(share: 0)) == "share of neurons: expected more than 0, at most 1, got 0.0")
        #expect(message(model, ContextualSparsity(kernel: 257)) == "kernel: expected 1 to 256 tokens, got 257")
        #expect(message(model, ContextualSparsity(threshold: -1)) == "threshold: expected a number from 0, got -1.0")
        #expect(
            message(model, ContextualSparsity(temperature: 0))
                == "temperature of the check: expected a number above 0, got 0.0")
        var structured = model
        structured[site: "model.layers.0.mlp.up_proj"] = LowRank(
            u: Matrix(rows: 40, columns: 1), v: Matrix(rows: 1, columns: 24))
        #expect(
            message(structured, ContextualSparsity())
                == "contextual sparsity: expected dense feed-forward matrices that run for every token, "
                + "got 'model.layers.0.mlp.up_proj' of family low-rank")
    }

    /// On the language model that ships: the higher the threshold, the longer the text is the whole model's.
    @Test func agreementGrowsWithTheThreshold() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Models/tiny-llama").path
        var loaded = try LoadedModel.load(folder)
        loaded.model.prepare(PreparationOptions(), context: context)
        let model = try #require(loaded.model as? CausalTransformer)
        let prompts = [
            "The people of the town", "In the early morning the", "She opened the letter and", "It is said that the king",
            "Water runs down the hill",
        ].map { loaded.tokenizer.encode($0) }
        let thresholds = [0, 0.05, 0.3, 2]
        let agreed = try thresholds.map { threshold in
            try prompts.reduce(0) { sum, prompt in
                let full = try model.generate(prompt, options: options(32), context: context).tokens
                let sparse = try model.generate(
                    prompt, options: options(32), sparsity: ContextualSparsity(share: 0.5, kernel: 8, threshold: threshold),
                    context: context)
                return sum + zip(full, sparse.generation.tokens).prefix { $0 == $1 }.count
            }
        }
        #expect(agreed == agreed.sorted() && agreed[3] > agreed[0])
    }
}
