import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

@Suite struct LlamaTests {
    private let context = ExecutionContext(threads: 2)

    @Test func theShippedModelMeetsItsReference() throws {
        let loaded = try LoadedModel.load(RealInputs.tinyLlama)
        let model = try loaded.causal
        let golden = try RealInputs.json(RealInputs.resource("tiny-llama.json"))
        let ids = loaded.tokenizer.encode(try #require(golden["prompt"]?.stringValue))
        #expect(ids == golden["ids"]?.integers)
        let logits = try model.logits(ids, context: context)
        let expected = try #require(golden["last_logits_first16"]?.numbers)
        for (column, value) in expected.enumerated() {
            #expect(abs(Double(logits[ids.count - 1, column]) - value) < 1e-4)
        }
        let greedy = try #require(golden["greedy_ids"]?.integers)
        let result = try model.generate(
            ids, options: GenerationOptions(maximumTokens: greedy.count), context: context)
        #expect(result == Generation(tokens: greedy, end: .maximumTokens))
        #expect(loaded.stopTokens == [1])
        #expect(loaded.unusedTensors.isEmpty)
    }

    @Test func cachedStepsEqualTheWholeSequence() throws {
        let model = try SmallModels.llama()
        let tokens = (0..<40).map { ($0 * 11 + 3) % 60 }
        let whole = try model.logits(tokens, context: context)
        var (scores, cache) = try model.prefill(Array(tokens[..<7]), context: context)
        for position in 7..<tokens.count {
            let row = Array(whole.elements[(position - 1) * 60..<position * 60])
            #expect(SmallModels.largestDifference(scores, row) < 1e-4)
            scores = try model.decode(tokens[position], cache: &cache, context: context)
            #expect(cache.count == position + 1)
        }
        #expect(SmallModels.largestDifference(scores, Array(whole.elements[39 * 60..<40 * 60])) < 1e-4)
    }

    @Test func aCopiedCacheGoesItsOwnWay() throws {
        let model = try SmallModels.llama()
        let (_, cache) = try model.prefill([1, 2, 3], context: context)
        var (first, second) = (cache, cache)
        let once = try model.decode(4, cache: &first, context: context)
        _ = try model.decode(9, cache: &second, context: context)
        _ = try model.decode(9, cache: &first, context: context)
        var again = cache
        #expect(try model.decode(4, cache: &again, context: context) == once)
        #expect(cache.count == 3)
    }

    @Test func sequencesSideBySideEqualThoseAlone() throws {
        let model = try SmallModels.llama()
        let prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11]]
        var caches = prompts.map { _ in model.makeCache() }
        _ = try model.advance(prompts, caches: &caches, context: context)
        let scores = try model.advance([[20], [21, 22], [23]], caches: &caches, context: context)
        for (index, whole) in [[1, 2, 3, 20], [4, 21, 22], [5, 6, 7, 8, 9, 10, 11, 23]].enumerated() {
            let alone = try model.logits(whole, context: context)
            let expected = Array(alone.elements[(whole.count - 1) * 60..<whole.count * 60])
            #expect(
                SmallModels.largestDifference(Array(scores.elements[index * 60..<(index + 1) * 60]), expected)
                    < 1e-4)
            #expect(caches[index].count == whole.count)
        }
    }

    @Test(arguments: [2, 3, 8]) func threadsDoNotChangeBits(threads: Int) throws {
        let loaded = try LoadedModel.load(RealInputs.tinyLlama)
        let model = try loaded.causal
        let tokens = (0..<200).map { ($0 * 37 + 11) % 8192 }
        #expect(
            try model.logits(tokens, context: ExecutionContext(threads: threads))
                == model.logits(tokens, context: .serial))
    }

    /// Repeating each key-value head for the queries that share it gives the same model without sharing.
    @Test func groupedQueriesEqualRepeatedHeads() throws {
        let grouped = try SmallModels.llama()
        var replacing: [String: Tensor?] = [:]
        for layer in 0..<2 {
            for name in ["k_proj", "v_proj"] {
                let site = "model.layers.\(layer).self_attn.\(name)"
                let weight = grouped[site: site].dense()
                // Query heads 0 and 1 read head 0, 2 and 3 read head 1; 8 rows a head.
                let repeated = Matrix(rows: 32, columns: 24) { weight[($0 / 16) * 8 + $0 % 8, $1] }
                replacing[site + ".weight"] = try Tensor(repeated.elements, shape: [32, 24])
            }
        }
        let full = try SmallModels.llama(changing: ["num_key_value_heads": 4], replacing: replacing)
        let tokens = [4, 8, 15, 16, 23, 42]
        #expect(
            SmallModels.largestDifference(
                try grouped.logits(tokens, context: context).elements,
                try full.logits(tokens, context: context).elements) < 1e-4)
    }

    @Test func laterTokensDoNotChangeEarlierScores() throws {
        let model = try SmallModels.llama()
        let short = try model.logits([4, 8, 15], context: context)
        let long = try model.logits([4, 8, 15, 16, 23], context: context)
        #expect(SmallModels.largestDifference(short.elements, Array(long.elements[..<(3 * 60)])) < 1e-5)
    }

    @Test func aHeadOfItsOwn() throws {
        let tied = try SmallModels.llama()
        #expect(tied.sites.first { $0.role == .embedding }?.input == "head input")
        #expect(!tied.sites.contains { $0.name == "lm_head" })
        let embedding = tied[site: "model.embed_tokens"].dense()
        let untied = try SmallModels.llama(
            changing: ["tie_word_embeddings": false],
            replacing: ["lm_head.weight": try Tensor(embedding.elements, shape: [60, 24])])
        #expect(
            untied.sites.last
                == MatrixSite(
                    name: "lm_head", shape: MatrixShape(rows: 60, columns: 24), role: .linear,
                    input: "head input"))
        #expect(untied.sites.first { $0.role == .embedding }?.input == nil)
        #expect(try untied.logits([1, 2, 3], context: context) == tied.logits([1, 2, 3], context: context))
        var changed = untied
        changed[site: "lm_head"] = Dense(Matrix(rows: 60, columns: 24))
        #expect(try changed.logits([1, 2, 3], context: context).elements.allSatisfy { $0 == 0 })
        #expect(changed[site: "model.embed_tokens"].dense() == embedding)
    }

    @Test func biasesAreAdded() throws {
        let plain = try SmallModels.llama().logits([1, 2, 3], context: context)
        for key in ["attention_bias", "mlp_bias"] {
            let biased = try SmallModels.llama(changing: [key: true]).logits([1, 2, 3], context: context)
            #expect(SmallModels.largestDifference(biased.elements, plain.elements) > 1e-3)
        }
    }

    @Test func observerSeesEveryInput() throws {
        let model = try SmallModels.llama()
        let sequences = SmallModels.sequences(60)
        var tokens: [String: Int] = [:]
        try model.observe(sequences, context: context) { tokens[$0, default: 0] += $1.rows }
        #expect(Set(tokens.keys) == Set(model.sites.compactMap(\.input)))
        #expect(Set(tokens.values) == [sequences.map(\.count).reduce(0, +)])
    }

    @Test func structuredMatricesAreReadFromTheCheckpoint() throws {
        let name = "model.layers.1.mlp.up_proj"
        let (u, v) = (
            try SmallModels.random("u", [40, 3]), try SmallModels.random("v", [3, 24], elementType: .f16)
        )
        let structured = try SmallModels.llama(
            replacing: [name + ".u": u, name + ".v": v, name + ".weight": nil],
            structures: [
                name: .init(
                    family: "low-rank", shape: MatrixShape(rows: 40, columns: 24), attributes: ["rank": 3])
            ])
        #expect(structured[site: name].family.name == "low-rank")
        #expect(structured[site: name].cost.storedBytes == 40 * 3 * 4 + 3 * 24 * 2)
        var dense = structured
        dense[site: name] = Dense(structured[site: name].dense())
        #expect(
            SmallModels.largestDifference(
                try structured.logits([1, 2, 3], context: context).elements,
                try dense.logits([1, 2, 3], context: context).elements) < 1e-5)
    }

    @Test func storedPrecisionIsKept() throws {
        let loaded = try LoadedModel.load(RealInputs.tinyLlama)
        let weight = loaded.model[site: "model.layers.0.self_attn.q_proj"]
        #expect(weight.cost.storedBytes == 2 * weight.shape.count)
    }
}
