import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Blocks of different sizes, some without attention or feed-forward network, against whole ones in which the same heads and
/// neurons have no weight.
@Suite struct BlockSizesTests {
    private let context = ExecutionContext(threads: 2)

    /// One model twice: with parts of it set to nothing, and with these parts cut out.
    private struct Cut {
        let name: String
        var zeroed: [String: Tensor?] = [:]
        var cut: [String: Tensor?] = [:]

        func tensor(_ tensor: String) throws -> (values: [Float], shape: [Int]) {
            let found = try ModelFolder(path: SmallFolders.path(name)).checkpoint().tensor(named: tensor)
            return (try found.floats(), found.shape)
        }

        /// Keeps some rows (or columns) of a tensor; the rest is 0 in the one model, gone in the other. `scale` is for what
        /// is cut out.
        mutating func keep(_ tensor: String, rows: [Int]? = nil, columns: [Int]? = nil, scale: Float = 1) throws {
            let (values, shape) = try self.tensor(tensor)
            let width = shape.count == 2 ? shape[1] : 1
            let (rows, columns) = (rows ?? Array(0..<shape[0]), columns ?? Array(0..<width))
            var whole = [Float](repeating: 0, count: values.count)
            for row in rows { for column in columns { whole[row * width + column] = values[row * width + column] } }
            zeroed[tensor] = try Tensor(whole, shape: shape)
            let left = rows.flatMap { row in columns.map { values[row * width + $0] * scale } }
            cut[tensor] = try Tensor(left, shape: shape.count == 2 ? [rows.count, columns.count] : [rows.count])
        }

        mutating func remove(_ tensors: [String]) { for tensor in tensors { cut[tensor] = .some(nil) } }

        func models(_ sizes: [BlockSizes]) throws -> (zeroed: any NetworkModel, cut: any NetworkModel) {
            (
                try SmallFolders.model(name, SmallFolders.tensors(name, replacing: zeroed)),
                try SmallFolders.model(name, SmallFolders.tensors(name, replacing: cut)) { $0.setBlockSizes(sizes) }
            )
        }
    }

    private static func features(_ heads: [Int], of width: Int, _ kept: [Int]? = nil) -> [Int] {
        heads.flatMap { head in (kept ?? Array(0..<width)).map { head * width + $0 } }
    }

    private func scores(_ model: any NetworkModel, _ tokens: [Int]) throws -> [Float] {
        let causal = try #require(model as? any CausalModel)
        let scores = try causal.logits(tokens, context: context)
        var (last, cache) = try causal.prefill(Array(tokens[..<3]), context: context)
        for token in tokens[3...] { last = try causal.decode(token, cache: &cache, context: context) }
        #expect(SmallModels.largestDifference(last, Array(scores.row(tokens.count - 1))) < 1e-5)
        return scores.elements
    }

    /// Block 0: one key head with its two query heads, two of four rotary pairs, five of eight value features, 20 of 35
    /// neurons. Block 1: no attention.
    @Test func blocksOfALlama() throws {
        var cut = Cut(name: "llama")
        let (first, second) = ("model.layers.0", "model.layers.1")
        let (pairs, values, neurons) = ([1, 3], [0, 2, 3, 5, 7], Array(0..<20))
        let kept = pairs + pairs.map { $0 + 4 }
        // Scores are divided by the root of the features that are left.
        let scale = Float(4.0 / 8.0).squareRoot()
        for kind in ["weight", "bias"] {
            try cut.keep("\(first).self_attn.q_proj.\(kind)", rows: Self.features([2, 3], of: 8, kept), scale: scale)
            try cut.keep("\(first).self_attn.k_proj.\(kind)", rows: Self.features([1], of: 8, kept))
            try cut.keep("\(first).self_attn.v_proj.\(kind)", rows: Self.features([1], of: 8, values))
            try cut.keep("\(first).mlp.gate_proj.\(kind)", rows: neurons)
            try cut.keep("\(first).mlp.up_proj.\(kind)", rows: neurons)
        }
        try cut.keep("\(first).self_attn.o_proj.weight", columns: Self.features([2, 3], of: 8, values))
        try cut.keep("\(first).mlp.down_proj.weight", columns: neurons)
        try cut.keep("\(second).self_attn.o_proj.weight", columns: [])
        cut.remove(
            ["q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight", "q_proj.bias", "k_proj.bias", "v_proj.bias"]
                .map { "\(second).self_attn.\($0)" } + ["\(second).input_layernorm.weight"])
        let sizes = [
            BlockSizes(
                heads: 2, keyValueHeads: 1, queryKeyWidth: 4, valueWidth: 5, feedForwardWidth: 20, rotaryPairs: pairs),
            BlockSizes(heads: 0, keyValueHeads: 0, queryKeyWidth: 0, valueWidth: 0, feedForwardWidth: 35),
        ]
        let (zeroed, narrow) = try cut.models(sizes)
        let tokens = (0..<30).map { ($0 * 17 + 5) % 300 }
        #expect(SmallModels.largestDifference(try scores(zeroed, tokens), try scores(narrow, tokens)) < 1e-4)
        #expect(!narrow.sites.contains { $0.name.hasPrefix("model.layers.1.self_attn") })
        #expect(narrow.sites.first { $0.name == "\(first).self_attn.o_proj" }?.shape == MatrixShape(rows: 24, columns: 10))
        #expect(narrow.coupling.blocks[1].attention == nil)
        #expect(narrow.coupling.blocks[1].leftBiases == ["\(second).self_attn.o_proj.bias"])
        #expect(narrow.blockSizes == sizes)
        let causal = try #require(narrow as? any CausalModel)
        #expect(causal.makeCache().byteCount == 0)
        var prepared = narrow
        prepared.prepare(PreparationOptions(), context: context)
        #expect(SmallModels.largestDifference(try scores(prepared, tokens), try scores(narrow, tokens)) < 1e-5)
    }

    /// Every key head keeps pairs of its own.
    @Test func pairsOfEachHead() throws {
        var cut = Cut(name: "llama")
        let pairs = [[0, 2, 3], [1, 2, 3]]
        let kept = pairs.map { $0 + $0.map { $0 + 4 } }
        let queries = (0..<4).flatMap { Self.features([$0], of: 8, kept[$0 / 2]) }
        for kind in ["weight", "bias"] {
            try cut.keep(
                "model.layers.0.self_attn.q_proj.\(kind)", rows: queries, scale: Float(6.0 / 8.0).squareRoot())
            try cut.keep(
                "model.layers.0.self_attn.k_proj.\(kind)", rows: (0..<2).flatMap { Self.features([$0], of: 8, kept[$0]) })
        }
        let whole = BlockSizes(heads: 4, keyValueHeads: 2, queryKeyWidth: 8, valueWidth: 8, feedForwardWidth: 35)
        var narrow = whole
        (narrow.queryKeyWidth, narrow.rotaryPairs) = (6, pairs.flatMap { $0 })
        let models = try cut.models([narrow, whole])
        let tokens = (0..<30).map { ($0 * 17 + 5) % 300 }
        #expect(SmallModels.largestDifference(try scores(models.zeroed, tokens), try scores(models.cut, tokens)) < 1e-4)
    }

    /// Block 0: three of five heads, 17 of 50 neurons. Block 1: nothing but biases and norms.
    @Test func blocksOfABert() throws {
        var cut = Cut(name: "bert")
        let (first, second) = ("encoder.layer.0", "encoder.layer.1")
        let (heads, neurons) = (Self.features([0, 2, 3], of: 6), (0..<17).map { 2 * $0 })
        for kind in ["weight", "bias"] {
            for name in ["query", "key", "value"] { try cut.keep("\(first).attention.self.\(name).\(kind)", rows: heads) }
            try cut.keep("\(first).intermediate.dense.\(kind)", rows: neurons)
        }
        try cut.keep("\(first).attention.output.dense.weight", columns: heads)
        try cut.keep("\(first).output.dense.weight", columns: neurons)
        try cut.keep("\(second).attention.output.dense.weight", columns: [])
        try cut.keep("\(second).output.dense.weight", columns: [])
        cut.remove(
            ["query", "key", "value"].flatMap { name in
                ["weight", "bias"].map { "\(second).attention.self.\(name).\($0)" }
            } + ["attention.output.dense.weight", "intermediate.dense.weight", "intermediate.dense.bias", "output.dense.weight"]
                .map { "\(second).\($0)" })
        let sizes = [
            BlockSizes(heads: 3, keyValueHeads: 3, queryKeyWidth: 6, valueWidth: 6, feedForwardWidth: 17),
            BlockSizes(heads: 0, keyValueHeads: 0, queryKeyWidth: 0, valueWidth: 0, feedForwardWidth: 0),
        ]
        let (zeroed, narrow) = try cut.models(sizes)
        let sequences = [[5, 6, 7, 8], [100], (0..<40).map { ($0 * 7 + 3) % 300 }]
        func vectors(_ model: any NetworkModel) throws -> [Float] {
            try #require(model as? any EncoderModel).embed(sequences, context: context).elements
        }
        #expect(SmallModels.largestDifference(try vectors(zeroed), try vectors(narrow)) < 1e-4)
        var biases: [String] = []
        for name in ["attention.output.dense", "output.dense"] { biases.append("\(second).\(name).bias") }
        #expect(narrow.coupling.blocks[1].leftBiases == biases)
        var stripped = narrow
        for bias in biases { stripped[vector: bias] = nil }
        #expect(SmallModels.largestDifference(try vectors(stripped), try vectors(narrow)) > 1e-3)
    }

    /// GPT-2: the fused tensor of a block with fewer heads.
    @Test func headsOfAFusedTensor() throws {
        var cut = Cut(name: "gpt2")
        let heads = Self.features([0, 2], of: 11)
        let fused = (0..<3).flatMap { part in heads.map { part * 33 + $0 } }
        try cut.keep("transformer.h.1.attn.c_attn.weight", columns: fused)
        try cut.keep("transformer.h.1.attn.c_attn.bias", rows: fused)
        try cut.keep("transformer.h.1.attn.c_proj.weight", rows: heads)
        let whole = BlockSizes(heads: 3, keyValueHeads: 3, queryKeyWidth: 11, valueWidth: 11, feedForwardWidth: 50)
        var narrow = whole
        (narrow.heads, narrow.keyValueHeads) = (2, 2)
        let models = try cut.models([whole, narrow])
        let tokens = (0..<30).map { ($0 * 17 + 5) % 300 }
        #expect(SmallModels.largestDifference(try scores(models.zeroed, tokens), try scores(models.cut, tokens)) < 1e-4)
    }

    @Test func addedBiasesAreRead() throws {
        let name = "model.layers.1.mlp.down_proj"
        let bias = (0..<24).map { Float($0) / 10 }
        let tensors = try SmallFolders.tensors(
            "mistral", replacing: ["\(name).bias": try Tensor(bias, shape: [24])], addedBiases: [name])
        let model = try SmallFolders.model("mistral", tensors)
        #expect(model[vector: "\(name).bias"] == bias)
        #expect(model[vector: "model.layers.0.mlp.down_proj.bias"] == nil)
        var plain = try SmallFolders.model("mistral", SmallFolders.tensors("mistral"))
        let without = try scores(plain, [5, 6, 7, 8])
        #expect(SmallModels.largestDifference(try scores(model, [5, 6, 7, 8]), without) > 1e-2)
        plain[vector: "\(name).bias"] = bias
        #expect(try scores(plain, [5, 6, 7, 8]) == scores(model, [5, 6, 7, 8]))
    }

    @Test(arguments: [
        (#"[{"heads": 4}]"#, #""tessera.blocks.0.key_value_heads" is missing"#),
        (
            #"[{"heads":4,"key_value_heads":3,"query_key_width":8,"value_width":8,"feed_forward_width":35}]"#,
            #""tessera.blocks.0.key_value_heads": expected a divisor of the 4 heads, got 3"#
        ),
        (
            #"[{"heads":0,"key_value_heads":1,"query_key_width":0,"value_width":0,"feed_forward_width":35}]"#,
            #""tessera.blocks.0.key_value_heads": expected a whole number from 0 to 0, got 1"#
        ),
        (
            #"[{"heads":4,"key_value_heads":2,"query_key_width":8,"value_width":8,"feed_forward_width":35}]"#,
            "'tessera.blocks' is a list of 1, supported: one entry for each of the 2 blocks"
        ),
        (
            #"[{"heads":4,"key_value_heads":2,"query_key_width":6,"value_width":8,"feed_forward_width":35},{"heads":0,"key_value_heads":0,"query_key_width":0,"value_width":0,"feed_forward_width":0}]"#,
            "'tessera.blocks.0.query_key_width' is 6, supported: 8, or rotary_pairs that say what is kept"
        ),
        (
            #"[{"heads":4,"key_value_heads":1,"query_key_width":4,"value_width":8,"feed_forward_width":35,"rotary_pairs":[0,4]},{"heads":0,"key_value_heads":0,"query_key_width":0,"value_width":0,"feed_forward_width":0}]"#,
            "'tessera.blocks.0.rotary_pairs' is 4, supported: numbers below 4"
        ),
        (
            #"[{"heads":4,"key_value_heads":1,"query_key_width":4,"value_width":8,"feed_forward_width":35,"rotary_pairs":[0]}]"#,
            #""tessera.blocks.0.rotary_pairs": expected one number for each pair of features of each key head, got an array"#
        ),
        ("5", #""tessera.blocks": expected a list, got 5"#),
    ])
    func sizesAreChecked(blocks: String, expected: String) throws {
        let list = try JSONValue.parse(blocks)
        var got = "no error"
        do {
            _ = try SmallFolders.model("llama", SmallFolders.tensors("llama")) { configuration in
                configuration.root["tessera"] = ["format_version": 2, "matrices": .object(JSONObject()), "blocks": list]
            }
        } catch { got = "\(error)" }
        #expect(got.hasSuffix(expected), "\(got)")
    }
}
