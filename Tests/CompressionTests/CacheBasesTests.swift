import Analysis
import Compression
import Foundation
import LinearAlgebra
import ModelFiles
import Rewriting
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Keys and values kept in directions of each head's own.
@Suite struct CacheBasesTests {
    private let context = ExecutionContext(threads: 2)

    private func widths(_ heads: [[CacheBases.Head]]) -> [[Int]] { heads.map { $0.map(\.mean.count) } }

    private func narrowed(
        _ model: any NetworkModel, _ bases: CacheBases, _ keys: [[Int]], _ values: [[Int]]
    ) -> any NetworkModel {
        var result = model
        for block in keys.indices {
            result.narrowCache(
                block, keys: bases.keys[block], values: bases.values[block], keyRanks: keys[block], valueRanks: values[block])
        }
        return result
    }

    /// With all directions nothing changes, whatever the architecture: heads that share keys, biases, norms of heads, rotary or
    /// learned positions, windows.
    @Test(arguments: SmallNetworks.causal) func allDirectionsLeaveTheOutputs(name: String) throws {
        var (model, sequences) = try SmallNetworks.load(name)
        // Some are stored in f16, which what is folded into their matrices would be rounded to.
        for site in model.sites { model[site: site.name] = Dense(model[site: site.name].dense()) }
        let bases = try CacheBases(model, sequences: sequences, context: context)
        let whole = narrowed(model, bases, widths(bases.keys), widths(bases.values))
        let before = try SmallNetworks.outputs(model, sequences)
        #expect(SmallNetworks.relativeDifference(before, try SmallNetworks.outputs(whole, sequences)) < 1e-4)
        #expect(whole.cachedNumbers == model.cachedNumbers)
        #expect(whole.blockSizes[0].keyRanks == widths(bases.keys)[0])
    }

    /// Heads of unequal ranks: whole sequences, token by token, several at once, any team and any precision of the cache.
    @Test(arguments: ["llama", "qwen3", "gpt2"]) func unequalHeadsRunTokenByToken(name: String) throws {
        let (model, sequences) = try SmallNetworks.load(name)
        let bases = try CacheBases(model, sequences: sequences, context: context)
        func ranks(_ heads: [[CacheBases.Head]], _ shift: Int) -> [[Int]] {
            heads.enumerated().map { block, heads in
                heads.enumerated().map { head, one in one.mean.count - 1 - (block + head + shift) % 3 }
            }
        }
        var cut = narrowed(model, bases, ranks(bases.keys, 0), ranks(bases.values, 1))
        let numbers = (ranks(bases.keys, 0) + ranks(bases.values, 1)).flatMap { $0 }.reduce(0, +)
        #expect(cut.cachedNumbers == numbers)
        let tokens = sequences[12]
        for isPrepared in [false, true] {
            if isPrepared { cut.prepare(PreparationOptions(activations: .none), context: .serial) }
            let causal = try #require(cut as? any CausalModel)
            let whole = try causal.logits(tokens, context: .serial)
            let last = Array(whole.row(tokens.count - 1))
            for (precision, bytes) in [(CachePrecision.f32, 4), (.f16, 2), (.int8, 1)] {
                for threads in [1, 2, 3] {
                    let context = ExecutionContext(threads: threads)
                    var caches = [causal.makeCache(precision), causal.makeCache(precision)]
                    _ = try causal.advance([Array(tokens[..<3]), sequences[2]], caches: &caches, context: context)
                    var scores = Matrix(rows: 0, columns: 0)
                    for token in tokens[3...] { scores = try causal.advance([[token], [7]], caches: &caches, context: context) }
                    let tolerance: Float = precision == .int8 ? 0.1 : precision == .f16 ? 1e-2 : 1e-4
                    #expect(SmallNetworks.relativeDifference(last, Array(scores.row(0))) < tolerance)
                    // Scales of int8 come on top: two bytes for each head's key and value.
                    let scales = precision == .int8 ? 4 * cut.blockSizes.reduce(0) { $0 + $1.keyValueHeads } : 0
                    #expect(caches[0].byteCount == tokens.count * (bytes * numbers + scales))
                }
            }
        }
        let changed = SmallNetworks.relativeDifference(
            try SmallNetworks.outputs(model, sequences), try SmallNetworks.outputs(cut, sequences))
        #expect(changed > 1e-4 && changed.isFinite)
    }

    /// What is left out of the calibration keys is the eigenvalues left out; data of few directions are kept whole.
    @Test func truncationLosesTheEigenvaluesLeftOut() throws {
        let (model, sequences) = try SmallNetworks.load("llama")
        let bases = try CacheBases(model, sequences: sequences, context: context)
        let causal = try #require(model as? any CausalModel)
        let (block, head, rank) = (1, 0, 5)
        let (side, width) = (bases.keys[block][head], bases.keys[block][head].mean.count)
        let kept = side.basis.leading(rank)
        var (error, tokens) = (0.0, 0)
        for sequence in sequences {
            let cache = try causal.prefill(sequence, context: context).cache
            let keys = cache.head(head, layer: block).keys
            let centred = DoubleMatrix(rows: keys.rows, columns: width) { Double(keys[$0, $1]) - side.mean[$1] }
            let left = centred - centred.multiplied(by: kept).multiplied(by: kept, transposeOther: true)
            error += left.squaredNorm
            tokens += keys.rows
        }
        #expect(abs(error / Double(tokens) - side.errors[rank]) < 1e-6 * side.errors[0])
        #expect(side.errors.count == width + 1 && side.errors[width] == 0)
        #expect(zip(side.errors, side.errors.dropFirst()).allSatisfy { $0 >= $1 })
    }

    @Test func ranksWithinABudget() throws {
        let budget = RankBudget(widths: [64, 64, 64, 64], step: 8)
        // The first two lose nothing down to 16 and 40, the others a little with every direction.
        let losses = [16.0, 40, 64, 64].enumerated().map { index, rank in
            (0...64).map { width in max(0, rank - Double(width)) * (index == 3 ? 2 : 1) }
        }
        #expect(try budget.greedy(total: 184, losses: losses) == [16, 40, 64, 64])
        let ranks = try budget.greedy(total: 120, losses: losses)
        #expect(ranks.reduce(0, +) == 120 && ranks[3] == 64)
        #expect(try budget.uniform(total: 184).sorted() == [40, 48, 48, 48])
        #expect(try budget.uniform(total: 256) == [64, 64, 64, 64])
        // 36 directions in steps of 8: all of them, then multiples.
        #expect(try RankBudget(widths: [36, 36], step: 8).uniform(total: 70) == [32, 36])
        #expect(throws: RewritingError.unreachable(target: "a cache of 30 numbers a token", least: "32")) {
            try budget.uniform(total: 30)
        }
    }

    /// Ranks by what each head costs keep more of the language model than equal ranks do, at the same bytes.
    @Test func greedyRanksBeatEqualOnes() throws {
        try CompressionJobTests.temporary { folder in
            let file = folder.appending(path: "text.txt")
            let prose = try String(contentsOfFile: CompressionJobTests.prose, encoding: .utf8)
            try String(prose.prefix(2100)).write(to: file, atomically: true, encoding: .utf8)
            let original = try LoadedModel.load(CompressionJobTests.model)
            let tokens = original.tokenizer.encode(String(prose.suffix(1500)))
            let held = stride(from: 0, to: min(tokens.count, 256) - 127, by: 128).map { Array(tokens[$0..<$0 + 128]) }
            let distance = try OutputDistance(original: original.model, sequences: held, context: context)
            var found: [Double] = []
            for name in ["matryoshka-kv", "matryoshka-kv-uniform"] {
                let output = folder.appending(path: name).path
                let outcome = try RewriteJob(
                    model: CompressionJobTests.model, output: output,
                    recipe: try #require(try RewriteRecipes.recipe(name)).sized(0.5), calibration: .file(file.path),
                    context: context
                ).run()
                #expect(outcome.touched.before == 6 * 2 * 2 * 64 && outcome.touched.after == outcome.touched.before / 2)
                let loaded = try LoadedModel.load(output)
                #expect(loaded.unusedTensors.isEmpty)
                #expect(try loaded.causal.makeCache(.f16).bytesPerToken == 2 * outcome.touched.after)
                #expect((loaded.model as? any NetworkModel)?.blockSizes == outcome.blocks.after)
                found.append(try distance(loaded.model, context: context))
                #expect(throws: TransformersError.self) { try loaded.ordinaryConfiguration() }
                #expect(throws: RewritingError.unequalHeads(part: "model.layers.0")) {
                    try RewriteJob(
                        model: output, output: output + "-again", recipe: try #require(try RewriteRecipes.recipe("flap")),
                        calibration: .file(file.path), context: context
                    ).run()
                }
            }
            #expect(found[0] < found[1], "\(found)")
        }
    }

    @Test func encodersHaveNoCache() throws {
        let (model, sequences) = try SmallNetworks.load("bert")
        #expect(throws: RewritingError.noCache(part: "encoder.layer.0")) {
            try CacheBases(model, sequences: sequences, context: context)
        }
    }
}
