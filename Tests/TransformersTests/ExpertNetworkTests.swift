import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Feed-forward networks whose neurons are experts, of which a router chooses some for every token.
@Suite struct ExpertNetworkTests {
    private let context = ExecutionContext(threads: 2)

    private static func random(_ rows: Int, _ columns: Int, _ name: String, scale: Float = 1) -> Matrix {
        var generator = SeededGenerator(seed: 3, stream: name)
        return Matrix(rows: rows, columns: columns) { _, _ in scale * Float(generator.nextNormal()) }
    }

    private static func experts(
        _ count: Int, active: Int, _ substitute: ExpertSizes.Substitute, width: Int, block: Int = 0
    ) -> RoutedExperts {
        RoutedExperts(
            sizes: ExpertSizes(count: count, active: active, substitute: substitute),
            router: random(count, width, "router \(block)"), bias: random(1, count, "bias \(block)").elements,
            means: substitute == .means ? random(count, width, "means \(block)", scale: 0.1) : nil)
    }

    /// The model with every block's neurons as experts.
    private static func routed<Model: NetworkModel>(
        _ model: Model, _ count: Int, active: Int, _ substitute: ExpertSizes.Substitute
    ) -> Model {
        var model = model
        let width = model.linear(0, .down).weight.shape.rows
        for block in model.blockSizes.indices {
            model.setExperts(block, experts(count, active: active, substitute, width: width, block: block))
        }
        return model
    }

    private func prepared<Model: TransformerModel>(_ model: Model) -> Model {
        var model = model
        model.prepare(PreparationOptions(), context: context)
        return model
    }

    /// What a model makes of some sequences: scores of all tokens, or embeddings.
    private func outputs(_ model: any TransformerModel, _ context: ExecutionContext) throws -> [Float] {
        let sequences = SmallModels.sequences(9)
        if let encoder = model as? any EncoderModel { return try encoder.embed(sequences, context: context).elements }
        let causal = try #require(model as? any CausalModel)
        return try sequences.flatMap { try causal.logits($0, context: context).elements }
    }

    private static let models: [(name: String, model: @Sendable () throws -> any NetworkModel)] = [
        ("llama", { try SmallModels.llama() }), ("bert", { try SmallModels.bert() }),
    ]

    @Test(arguments: [1, 2, 4, 5, 8], ExpertSizes.Substitute.allCases)
    func allExpertsAreTheNetwork(count: Int, substitute: ExpertSizes.Substitute) throws {
        for (_, make) in Self.models {
            let model = try make()
            let expected = try outputs(model, context)
            let routed = Self.routed(model, count, active: count, substitute)
            #expect(SmallModels.largestDifference(try outputs(routed, context), expected) < 1e-5)
            #expect(SmallModels.largestDifference(try outputs(prepared(routed), context), expected) < 1e-4)
        }
    }

    /// Experts that run one by one give what all give where the others are set to nothing.
    @Test(arguments: [1, 2, 3, 5]) func theChosenRunByThemselves(threads: Int) throws {
        let many = ExecutionContext(threads: threads)
        for substitute in ExpertSizes.Substitute.allCases {
            for (_, make) in Self.models {
                let model = Self.routed(try make(), 5, active: 2, substitute)
                let expected = try outputs(model, many)
                #expect(try outputs(model, .serial) == expected)
                let fast = prepared(model)
                let got = try outputs(fast, many)
                #expect(SmallModels.largestDifference(got, expected) < 1e-4)
                #expect(try outputs(fast, .serial) == got)
                // And they are no longer the network.
                #expect(SmallModels.largestDifference(try outputs(try make(), many), expected) > 1e-3)
            }
        }
    }

    /// Scores of whole sequences are those of one token after the other, in any company.
    @Test(arguments: [1, 2, 3]) func decodingChoosesTheSame(threads: Int) throws {
        let context = ExecutionContext(threads: threads)
        let model = prepared(Self.routed(try SmallModels.llama(), 4, active: 2, .means))
        let sequences = SmallModels.sequences(5).map { $0 + [3, 1, 4, 1, 5] }
        let expected = try sequences.map { sequence in
            let scores = try model.logits(sequence, context: context)
            return Array(scores.row(sequence.count - 1))
        }
        for (sequence, expected) in zip(sequences, expected) {
            var (last, cache) = try model.prefill(Array(sequence.dropLast(5)), context: context)
            for token in sequence.suffix(5) { last = try model.decode(token, cache: &cache, context: context) }
            #expect(last == expected)
        }
        var caches = sequences.map { _ in model.makeCache() }
        _ = try model.advance(sequences.map { Array($0.dropLast()) }, caches: &caches, context: context)
        let together = try model.advance(sequences.map { [$0[$0.count - 1]] }, caches: &caches, context: context)
        #expect(together.elements == expected.flatMap { $0 })
    }

    /// The sum that the definition says, from what the network reads and makes.
    @Test(arguments: ExpertSizes.Substitute.allCases) func theOutputIsTheDefinition(substitute: ExpertSizes.Substitute) throws {
        let model = try SmallModels.llama()
        let experts = Self.experts(5, active: 2, substitute, width: 24)
        var routed = model
        routed.setExperts(0, experts)
        let sequences = SmallModels.sequences(6)
        let states = try model.states(sequences, context: context)
        var inputs: [[Float]] = []
        var hidden: [[Float]] = []
        let dense = try model.run(0..<1, on: states, of: sequences, context: context) { name, rows in
            for row in 0..<rows.rows {
                let values = Array(UnsafeBufferPointer(start: rows.row(row), count: rows.columns))
                if name == model.inputName(0, .up) { inputs.append(values) }
                if name == model.inputName(0, .down) { hidden.append(values) }
            }
        }
        let got = try routed.run(0..<1, on: states, of: sequences, context: context) { _, _ in }
        let down = model.linear(0, .down).weight.dense()
        for token in inputs.indices {
            let scores = (0..<5).map { expert in
                experts.bias[expert] + zip(experts.router.row(expert), inputs[token]).reduce(0) { $0 + $1.0 * $1.1 }
            }
            let chosen = Set(scores.indices.sorted { scores[$0] > scores[$1] }.prefix(2))
            #expect(Set(experts.chosen(scores)) == chosen)
            for feature in 0..<24 {
                // Without biases of its own the network is the sum of all experts.
                var change: Float = 0
                for expert in 0..<5 {
                    let part = (expert * 8..<(expert + 1) * 8).reduce(Float(0)) { $0 + down[feature, $1] * hidden[token][$1] }
                    change += chosen.contains(expert) ? (experts.scale - 1) * part : (experts.means?[expert, feature] ?? 0) - part
                }
                #expect(abs(got[token, feature] - dense[token, feature] - change) < 1e-4)
            }
        }
    }

    /// What is multiplied with: the chosen experts' part, and the router.
    @Test func multiplyAddsAreThoseOfTheChosen() throws {
        let model = try SmallModels.llama()
        let all = model.feedForwardMultiplyAdds(0)
        #expect(all == 3 * 40 * 24)
        let routed = Self.routed(model, 5, active: 2, .means)
        #expect(routed.feedForwardMultiplyAdds(0) == all * 2 / 5 + 5 * 24)
        // Matrices that cannot be cut run whole.
        var mixed = routed
        mixed[site: "model.layers.0.mlp.up_proj"] = LowRank(
            u: Self.random(40, 3, "u", scale: 0.3), v: Self.random(3, 24, "v", scale: 0.3))
        #expect(mixed.feedForwardMultiplyAdds(0) == 2 * 40 * 24 + 3 * 64 + 5 * 24)
        let expected = try outputs(mixed, context)
        #expect(SmallModels.largestDifference(try outputs(prepared(mixed), context), expected) < 1e-4)
    }

    /// A matrix that is replaced in a prepared model is the one that is used.
    @Test func replacedMatricesAreUsed() throws {
        let routed = Self.routed(try SmallModels.llama(), 5, active: 2, .scale)
        var (plain, fast) = (routed, prepared(routed))
        let name = "model.layers.0.mlp.down_proj"
        let other = Dense(Self.random(24, 40, "other", scale: 0.2))
        plain[site: name] = other
        fast[site: name] = other
        let expected = try outputs(plain, context)
        #expect(SmallModels.largestDifference(try outputs(fast, context), expected) < 1e-4)
        #expect(SmallModels.largestDifference(try outputs(prepared(fast), context), expected) < 1e-4)
    }

    @Test func anotherWidthEndsExperts() throws {
        var model = Self.routed(try SmallModels.llama(), 5, active: 2, .scale)
        var sizes = model.blockSizes[0]
        sizes.feedForwardWidth = 8
        model.setBlock(
            0, sizes: sizes,
            matrices: [
                .gate: (Dense(Self.random(8, 24, "gate")), nil), .up: (Dense(Self.random(8, 24, "up")), nil),
                .down: (Dense(Self.random(24, 8, "down")), nil),
            ])
        #expect(model.experts(0) == nil && model.blockSizes[0].experts == nil)
        #expect(model.experts(1) != nil && model.blockSizes[1].experts != nil)
    }

    // MARK: Files

    private static func section(_ experts: JSONValue?) -> JSONValue {
        func block(_ experts: JSONValue?) -> JSONValue {
            var object = BlockSizes(heads: 4, keyValueHeads: 2, queryKeyWidth: 8, valueWidth: 8, feedForwardWidth: 40).json
                .objectValue ?? JSONObject()
            object["experts"] = experts
            return .object(object)
        }
        return ["format_version": 2, "matrices": .object(JSONObject()), "blocks": [block(experts), block(nil)]]
    }

    private func loaded(_ experts: JSONValue, replacing: [String: Tensor?] = [:]) throws -> CausalTransformer {
        try SmallModels.llama(changing: ["tessera": Self.section(experts)], replacing: replacing)
    }

    private static let description: JSONValue = ["count": 5, "active": 2, "substitute": "means"]

    private static func tensors() throws -> [String: Tensor?] {
        var routed = try SmallModels.llama()
        routed.setExperts(0, experts(5, active: 2, .means, width: 24))
        return Dictionary(uniqueKeysWithValues: try routed.expertTensors().map { ($0.name, $0.tensor) })
    }

    @Test func expertsComeBackFromTheirTensors() throws {
        let tensors = try Self.tensors()
        #expect(
            tensors.keys.sorted() == [
                "model.layers.0.expert_means.weight", "model.layers.0.router.bias", "model.layers.0.router.weight",
            ])
        let model = try loaded(Self.description, replacing: tensors)
        #expect(model.experts(0) == Self.experts(5, active: 2, .means, width: 24))
        #expect(model.blockSizes[0].experts?.json == Self.description)
        #expect(model.experts(1) == nil)
        #expect(model.expertTensorNames == Set(tensors.keys))
        var made = try SmallModels.llama()
        made.setExperts(0, Self.experts(5, active: 2, .means, width: 24))
        #expect(try outputs(model, context) == outputs(made, context))
    }

    private static let malformed: [(description: JSONValue, message: String)] = [
        (["count": 6, "active": 2, "substitute": "means"], "count\": expected a divisor of the 40 neurons, got 6"),
        (["count": 0, "active": 2, "substitute": "means"], "count\": expected a whole number from 1 to 4096, got 0"),
        (["count": 5, "active": 6, "substitute": "means"], "active\": expected a whole number from 1 to 5, got 6"),
        (["count": 5, "active": 0, "substitute": "means"], "active\": expected a whole number from 1 to 5, got 0"),
        (["count": 5, "active": 2, "substitute": "none"], "substitute\": expected scale or means, got \"none\""),
    ]

    @Test(arguments: malformed)
    func malformedDescriptions(description: JSONValue, message: String) throws {
        let tensors = try Self.tensors()
        let error = #expect(throws: ModelFileError.self) { try loaded(description, replacing: tensors) }
        let text = "\(try #require(error))"
        #expect(text == "config.json: \"tessera.blocks.0.experts.\(message)")
    }

    /// A router reads the stream as wide as the architecture has it.
    @Test func aCutStreamIsRefused() throws {
        var section = try #require(Self.section(Self.description).objectValue)
        section["stream"] = CutStream(widths: [24, 24, 24, 24, 24]).json
        let tensors = try Self.tensors()
        let error = #expect(throws: TransformersError.self) {
            try SmallModels.llama(changing: ["tessera": .object(section)], replacing: tensors)
        }
        #expect(
            "\(try #require(error))"
                == "config.json: 'tessera.blocks.0.experts' is there, supported: models whose stream is not cut")
    }

    @Test func missingAndWrongTensors() throws {
        #expect("\(Self.section("many"))".contains("many"))
        #expect(throws: ModelFileError.self) { try loaded("many") }
        #expect(throws: ModelFileError.missingKey(file: "config.json", key: "tessera.blocks.0.experts.active")) {
            try loaded(["count": 5])
        }
        for name in try Self.tensors().keys {
            var tensors = try Self.tensors()
            tensors[name] = .some(nil)
            let missing = #expect(throws: StructuredMatrixError.self) { try loaded(Self.description, replacing: tensors) }
            let text = "\(try #require(missing))"
            #expect(text == "model.safetensors: tensor \"\(name)\" is missing")
            tensors[name] = try Tensor([Float](repeating: 0, count: 6), shape: [6], elementType: .f32)
            #expect(throws: StructuredMatrixError.self) { try loaded(Self.description, replacing: tensors) }
        }
    }
}
