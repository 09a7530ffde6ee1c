import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Models whose matrices are laid out for products, against the same models as loaded.
@Suite struct PreparedModelTests {
    private let context = ExecutionContext(threads: 2)

    private func prepared<Model: TransformerModel>(_ model: Model) -> Model {
        var model = model
        model.prepare(PreparationOptions(), context: context)
        return model
    }

    /// Every family, in both models, where its sizes allow.
    private static func structured(_ weight: Matrix) -> [any StructuredMatrix] {
        let rank = 5
        let u = Matrix(rows: weight.rows, columns: rank) { weight[$0, $1] }
        let v = Matrix(rows: rank, columns: weight.columns) { weight[$0, $1] }
        return [
            Dense(weight), Dense(weight, precision: .f16), Dense(weight, precision: .bf16),
            LowRank(u: Factor(u), v: Factor(v)),
        ]
    }

    @Test func theEncoderGivesTheSameUpToRounding() throws {
        let model = try SmallModels.bert()
        let sequences = SmallModels.sequences(40)
        let expected = try model.embed(sequences, context: context)
        let got = try prepared(model).embed(sequences, context: context)
        #expect(SmallModels.largestDifference(got.elements, expected.elements) < 1e-5)
    }

    @Test func structuredMatricesAreUsedAndReplaced() throws {
        let model = try SmallModels.llama()
        let tokens = (0..<20).map { ($0 * 7 + 1) % 60 }
        for name in ["model.layers.0.mlp.down_proj", "model.layers.1.self_attn.q_proj", "model.embed_tokens"] {
            for matrix in Self.structured(model[site: name].dense()) {
                var changed = model
                changed[site: name] = matrix
                let expected = try changed.logits(tokens, context: context)
                let fast = prepared(changed)
                let got = try fast.logits(tokens, context: context)
                #expect(SmallModels.largestDifference(got.elements, expected.elements) < 1e-4, "\(matrix.family.name)")
                // Setting a matrix after preparation replaces its prepared form too.
                var later = prepared(model)
                later[site: name] = matrix
                let replaced = try later.logits(tokens, context: context)
                #expect(SmallModels.largestDifference(replaced.elements, expected.elements) < 1e-4)
            }
        }
    }

    /// Threads, the run a sequence is part of, the batch around it, and how a prompt is cut into steps: none of them
    /// changes a bit.
    @Test(arguments: [1, 2, 3, 5]) func bitsDependOnTheSequenceAlone(threads: Int) throws {
        let many = ExecutionContext(threads: threads)
        let encoder = prepared(try SmallModels.bert())
        let sequences = SmallModels.sequences(70)
        let alone = try sequences.map { try encoder.embed([$0], context: .serial).elements }
        let together = try encoder.embed(sequences, context: many)
        for index in sequences.indices { #expect(Array(together.row(index)) == alone[index], "sequence \(index)") }

        let model = prepared(try SmallModels.llama())
        let tokens = (0..<45).map { ($0 * 11 + 3) % 60 }
        let whole = try model.logits(tokens, context: many)
        #expect(try whole == model.logits(tokens, context: .serial))
        var (scores, cache) = try model.prefill(Array(tokens[..<9]), context: many)
        for position in 9..<tokens.count {
            #expect(scores == Array(whole.row(position - 1)))
            scores = try model.decode(tokens[position], cache: &cache, context: many)
        }
        #expect(scores == Array(whole.row(44)))
    }

    /// With whole panels of heads for every member of a team of 1 or 2 (not of 3), heads and columns go on without waiting
    /// for the others': the bits are those of one thread all the same, for floats and for rounded activations.
    @Test(arguments: [1, 2, 3], [0, 8]) func headsThatGoOnAloneGiveTheSameBits(threads: Int, bits: Int) throws {
        var model = try SmallModels.llama(changing: [
            "hidden_size": 64, "head_dim": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
            "intermediate_size": 256,
        ])
        for site in model.sites where bits > 0 && site.role == .linear {
            let codes = (0..<site.shape.count).map { Int8(truncatingIfNeeded: $0 &* 37 % 101 - 50) }
            model[site: site.name] = try Quantized(
                codes: codes, scales: [Float](repeating: 0.003, count: site.shape.rows * site.shape.columns / 32),
                shape: site.shape, bits: bits, groupSize: 32)
        }
        model.prepare(PreparationOptions(activations: .int8), context: context)
        let texts = [[7, 3, 50, 2, 2, 41], [9, 9, 1], [58]]
        func scores(_ context: ExecutionContext) throws -> [Matrix] {
            var caches = texts.map { _ in model.makeCache() }
            var all = [try model.advance(texts, caches: &caches, context: context)]
            for step in 0..<5 {
                let next = texts.indices.map { [(step * 17 + $0 * 5) % 60] }
                all.append(try model.advance(next, caches: &caches, context: context))
            }
            return all
        }
        let serial = try scores(.serial)
        let got = try scores(ExecutionContext(threads: threads))
        #expect(got == serial)
        // A token by itself gives what it gives within its text.
        var cache = [model.makeCache()]
        var single = Matrix(rows: 1, columns: 60)
        for token in texts[0] { single = try model.advance([[token]], caches: &cache, context: context) }
        #expect(Array(single.row(0)) == Array(serial[0].row(0)))
        #expect(single.elements.allSatisfy { $0.isFinite })
    }

    /// More tokens than one step takes, and attention over several blocks of keys.
    @Test func longPromptsAreReadInSteps() throws {
        let model = prepared(try SmallModels.llama(changing: ["max_position_embeddings": 2000]))
        let prompts = [1300, 3, 700].map { count in (0..<count).map { ($0 * 13 + count) % 60 } }
        var caches = prompts.map { _ in model.makeCache() }
        let scores = try model.advance(prompts, caches: &caches, context: context)
        #expect(caches.map(\.count) == [1300, 3, 700])
        for (index, prompt) in prompts.enumerated() {
            let expected = try model.logits(prompt, context: .serial)
            #expect(Array(scores.row(index)) == Array(expected.row(prompt.count - 1)))
        }
    }

    /// The definition, in double precision.
    @Test(arguments: [1, 31, 33, 128, 129, 300]) func attentionMatchesItsDefinition(tokens: Int) throws {
        // One layer whose output is attention alone can be told from the scores of a model without any.
        let settings: [String: JSONValue?] = [
            "num_hidden_layers": 1, "max_position_embeddings": 400, "num_attention_heads": 4, "num_key_value_heads": 2,
        ]
        var model = try SmallModels.llama(changing: settings)
        let zero = Matrix(rows: 24, columns: 40)
        model[site: "model.layers.0.mlp.down_proj"] = Dense(zero)
        let sequence = (0..<tokens).map { ($0 * 17 + 5) % 60 }
        let got = try model.logits(sequence, context: context)
        let configuration = try LlamaConfiguration(
            SmallModels.configuration(SmallModels.llamaSettings, changing: settings))
        let expected = PlainAttention(model, configuration).logits(sequence)
        #expect(got.elements.count == expected.count)
        let largest = zip(got.elements, expected).map { abs(Double($0) - $1) }.max() ?? 0
        #expect(largest < 1e-4)
    }

    @Test(arguments: [(CachePrecision.f16, 1e-3), (.int8, 2e-2)])
    func cachesOfFewerBitsStayClose(precision: CachePrecision, tolerance: Double) throws {
        let model = try SmallModels.llama()
        let tokens = (0..<40).map { ($0 * 11 + 3) % 60 }
        var exact = [model.makeCache()], small = [model.makeCache(precision)]
        for part in [Array(tokens[..<13]), [tokens[13]], Array(tokens[14...])] {
            let expected = try model.advance([part], caches: &exact, context: context)
            let got = try model.advance([part], caches: &small, context: context)
            var difference = 0.0
            for (a, b) in zip(got.elements, expected.elements) { difference += pow(Double(a) - Double(b), 2) }
            let relative = (difference / expected.squaredNorm).squareRoot()
            #expect(relative < tolerance && relative > 0)
            #expect(try got == model.advance([part], caches: [smallBefore(part, tokens, model, precision)], context: .serial))
        }
        #expect(small[0].count == 40)
        #expect(exact[0].byteCount == 2 * 2 * 40 * 16 * 4)
        #expect(small[0].byteCount == 2 * 2 * 40 * (precision == .f16 ? 16 * 2 : 16 + 2 * 2))
    }

    /// The cache of what precedes `part`, made in one go.
    private func smallBefore(
        _ part: [Int], _ tokens: [Int], _ model: CausalTransformer, _ precision: CachePrecision
    ) throws -> KeyValueCache {
        let before = part == Array(tokens[..<13]) ? 0 : part.count == 1 ? 13 : 14
        var caches = [model.makeCache(precision)]
        if before > 0 { _ = try model.advance([Array(tokens[..<before])], caches: &caches, context: .serial) }
        return caches[0]
    }

    @Test func copiesOfSmallCachesGoTheirOwnWay() throws {
        let model = try SmallModels.llama()
        var caches = [model.makeCache(.int8)]
        _ = try model.advance([[1, 2, 3]], caches: &caches, context: context)
        var (first, second) = (caches, caches)
        let once = try model.advance([[4]], caches: &first, context: context)
        _ = try model.advance([[9]], caches: &second, context: context)
        #expect(try model.advance([[4]], caches: &caches, context: context) == once)
    }
}

extension CausalModel {
    /// As `advance` on caches that are dropped.
    fileprivate func advance(
        _ tokens: [[Int]], caches: [KeyValueCache], context: ExecutionContext
    ) throws -> Matrix {
        var caches = caches
        return try advance(tokens, caches: &caches, context: context)
    }
}
