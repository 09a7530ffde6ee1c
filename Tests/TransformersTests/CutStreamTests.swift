import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Streams that are narrower than their architecture says: how they are read, and what is refused.
@Suite struct CutStreamTests {
    /// The small Llama with skip matrices, its stream cut to its first features: widths of the five places.
    private static let widths = [20, 16, 20, 24, 18]

    private func changes(_ widths: [Int]) throws -> [String: Tensor?] {
        let checkpoint = try ModelFolder(path: SmallFolders.path("llama")).checkpoint()
        var result: [String: Tensor?] = [:]
        func cut(_ name: String, rows: Int? = nil, columns: Int? = nil) throws {
            let tensor = try checkpoint.tensor(named: name)
            let (values, shape) = (try tensor.floats(), tensor.shape)
            let width = shape.count == 2 ? shape[1] : 1
            let (rows, columns) = (rows ?? shape[0], columns ?? width)
            let kept = (0..<rows).flatMap { row in (0..<columns).map { values[row * width + $0] } }
            result[name] = try Tensor(kept, shape: shape.count == 2 ? [rows, columns] : [rows])
        }
        try cut("model.embed_tokens.weight", columns: widths[0])
        for block in 0..<2 {
            let (name, before, middle, end) = (
                "model.layers.\(block)", widths[2 * block], widths[2 * block + 1], widths[2 * block + 2]
            )
            try cut("\(name).input_layernorm.weight", rows: before)
            try cut("\(name).post_attention_layernorm.weight", rows: middle)
            for part in ["q_proj", "k_proj", "v_proj"] { try cut("\(name).self_attn.\(part).weight", columns: before) }
            for part in ["gate_proj", "up_proj"] { try cut("\(name).mlp.\(part).weight", columns: middle) }
            for kind in ["weight", "bias"] {
                try cut("\(name).self_attn.o_proj.\(kind)", rows: middle)
                try cut("\(name).mlp.down_proj.\(kind)", rows: end)
            }
            result["\(name).attention_skip.weight"] = try SmallModels.random("\(name) a", [middle, before])
            result["\(name).feed_forward_skip.weight"] = try SmallModels.random("\(name) f", [end, middle])
        }
        try cut("model.norm.weight", rows: widths[4])
        try cut("lm_head.weight", columns: widths[4])
        return result
    }

    private func model(
        replacing: [String: Tensor?] = [:], widths: [Int] = widths, stream: CutStream? = nil
    ) throws -> any NetworkModel {
        let tensors = try SmallFolders.tensors(
            "llama", replacing: changes(Self.widths).merging(replacing) { $1 })
        return try SmallFolders.model("llama", tensors) { $0.setCutStream(stream ?? CutStream(widths: widths)) }
    }

    @Test func widthsSkipsAndCouplings() throws {
        let model = try model()
        #expect(model.streamWidths == Self.widths && model.streamFeatures == 24 && model.isStreamCut)
        #expect(model.cutStream == CutStream(widths: Self.widths))
        #expect(model.sites.first { $0.name == "model.layers.1.attention_skip" }?.shape == MatrixShape(rows: 24, columns: 20))
        // What outputs are added to is made by a skip matrix, and shown nowhere.
        #expect(model.residual(of: "model.layers.1.self_attn.o_proj") == nil)
        let whole = try #require(try SmallFolders.load("llama").model as? any NetworkModel)
        #expect(whole.residual(of: "model.layers.1.self_attn.o_proj") == .states)
        let coupling = model.coupling
        let places = coupling.places
        #expect(places[1].skipHere == "model.layers.0.attention_skip" && places[1].skipOn == "model.layers.0.feed_forward_skip")
        #expect(places[0].skipHere == nil && places[4].skipOn == nil)
        let shapes = Dictionary(model.sites.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        let stream = coupling.widths.filter { if case .place = $0.kind { true } else { false } }
        #expect(stream.map(\.width) == Self.widths)
        for place in stream {
            for member in place.members {
                let shape = try #require(shapes[member.site])
                #expect((member.side == .inputs ? shape.columns : shape.rows) == place.width, "\(member.site)")
            }
            for name in place.vectors { #expect(model[vector: name]?.count == place.width, "\(name)") }
        }
        // Every matrix that is read with its input shown, skip matrices included.
        var seen: [String: Int] = [:]
        try model.observe([[3, 20, 7, 41, 5], [60, 1, 2]], context: .serial) { seen[$0] = $1.columns }
        let expected = Dictionary(
            model.sites.compactMap { site in site.input.map { ($0, site.shape.columns) } },
            uniquingKeysWith: { first, _ in first })
        #expect(seen == expected)
    }

    /// An uncut stream and skip matrices of identities: nothing changes, bit for bit.
    @Test func identitiesChangeNothing() throws {
        var replacing: [String: Tensor?] = [:]
        for block in 0..<2 {
            for part in ["attention_skip", "feed_forward_skip"] {
                replacing["model.layers.\(block).\(part).weight"] = try Tensor(Matrix.identity(24).elements, shape: [24, 24])
            }
        }
        let plain = try SmallFolders.model("llama", SmallFolders.tensors("llama"))
        let skipped = try SmallFolders.model("llama", SmallFolders.tensors("llama", replacing: replacing)) {
            $0.setCutStream(CutStream(widths: Array(repeating: 24, count: 5)))
        }
        let tokens = [5, 60, 7, 200, 33]
        let (before, after) = try (
            #require(plain as? any CausalModel).logits(tokens, context: .serial),
            #require(skipped as? any CausalModel).logits(tokens, context: .serial)
        )
        #expect(SmallModels.largestDifference(before.elements, after.elements) < 1e-5)
    }

    /// Layer after layer gives what the whole run gives, with states as wide as each place says.
    @Test func statesAreAsWideAsTheirPlace() throws {
        let model = try model()
        let sequences = [[3, 20, 7, 41, 5], [60, 1, 2]]
        var states = try model.states(sequences, context: .serial)
        #expect(states.columns == 20)
        var last: [Float] = []
        for layer in 0..<2 {
            states = try model.run(layer..<layer + 1, on: states, of: sequences, context: .serial) { name, input in
                if name == "head input" { last = Array(Matrix(copying: input).elements) }
            }
            #expect(states.columns == [20, 18][layer] && states.rows == 8)
        }
        var whole: [Float] = []
        try model.observe(sequences, context: .serial) { name, input in
            if name == "head input" { whole = Array(Matrix(copying: input).elements) }
        }
        #expect(!whole.isEmpty && last == whole)
    }

    /// A cut norm divides by the features that there were: x / sqrt(sum x^2 / d + e).
    @Test func normsDivideByTheUncutFeatures() throws {
        let tokens = [5, 60, 7]
        let model = try model()
        var seen: [String: Matrix] = [:]
        try model.observe([tokens], context: .serial) { seen[$0] = Matrix(copying: $1) }
        let stream = try #require(seen["model.layers.0.attention_skip input"])
        let normed = try #require(seen["model.layers.0.self_attn input"])
        let gain = try #require(model[vector: "model.layers.0.input_layernorm.weight"])
        for row in 0..<stream.rows {
            let squares = stream.row(row).reduce(0.0) { $0 + Double($1) * Double($1) }
            for (feature, value) in stream.row(row).enumerated() {
                let expected = Double(value) * Double(gain[feature]) / (squares / 24 + 1e-5).squareRoot()
                #expect(abs(Double(normed[row, feature]) - expected) < 1e-4 * (1 + abs(expected)))
            }
        }
    }

    private func message(_ body: () throws -> some Any) -> String {
        do {
            _ = try body()
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let skip = "model.layers.1.attention_skip.weight"
        #expect(message { try model(replacing: [skip: nil]) } == "model.safetensors: tensor \"\(skip)\" is missing")
        #expect(
            message { try model(replacing: [skip: SmallModels.random(skip, [20, 20])]) }
                == "model.safetensors: tensor \"\(skip)\": expected shape [24, 20], got [20, 20]")
        let norm = "model.layers.0.post_attention_layernorm.weight"
        #expect(
            message { try model(replacing: [norm: SmallModels.random(norm, [24])]) }
                == "model.safetensors: tensor \"\(norm)\": expected shape [16], got [24]")
        #expect(
            message { try model(widths: [20, 16, 20, 24]) }.hasSuffix(
                "'tessera.stream.widths' is a list of 4, supported: 5 numbers, two for each block and one behind the last"))
        #expect(
            message { try model(widths: [20, 16, 20, 25, 18]) }.hasSuffix(
                "'tessera.stream.widths' is 25, supported: at most the 24 features of the uncut stream"))
        #expect(
            message {
                try model(
                    replacing: ["lm_head.weight": SmallModels.random("head", [330, 24])],
                    stream: CutStream(widths: Self.widths, projectsOutput: true))
            }
                == "model.safetensors: tensor \"stream_output.weight\" is missing")
        for (name, key) in [("opt-projected", "projects_input"), ("vit", "projects_input")] {
            let got = message {
                try SmallFolders.model(name, SmallFolders.tensors(name)) {
                    $0.setCutStream(CutStream(widths: Array(repeating: 8, count: 5), projectsInput: true))
                }
            }
            #expect(
                got.hasSuffix(
                    "'tessera.stream.\(key)' is true, supported: false, as the architecture has a matrix there already"), "\(got)")
        }
        let layers = message {
            try SmallFolders.model("gpt2", SmallFolders.tensors("gpt2")) {
                $0.setCutStream(CutStream(widths: Array(repeating: 33, count: 5)))
            }
        }
        #expect(
            layers == "model.safetensors: 'tessera.norms' is absent, supported: root-mean-square, where the stream is cut")
    }

    @Test(arguments: [
        ("5", #""tessera.stream": expected an object, got 5"#),
        ("{}", #""tessera.stream.widths" is missing"#),
        (#"{"widths":8}"#, #""tessera.stream.widths": expected a list, got 8"#),
        (#"{"widths":[8,0]}"#, #""tessera.stream.widths": expected whole numbers from 1 to 2147483647, got 0"#),
        (#"{"widths":[8,8,8,8,8],"projects_input":1}"#, #""tessera.stream.projects_input": expected true or false, got 1"#),
    ])
    func theSectionIsChecked(stream: String, expected: String) throws {
        let section = try JSONValue.parse(stream)
        let got = message {
            try SmallFolders.model("llama", SmallFolders.tensors("llama")) { configuration in
                configuration.root["tessera"] = ["format_version": 2, "matrices": .object(JSONObject()), "stream": section]
            }
        }
        #expect(got.hasSuffix(expected), "\(got)")
    }

    @Test func theSectionComesBack() throws {
        var configuration = try ModelFolder(path: SmallFolders.path("llama")).configuration
        #expect(try configuration.cutStream() == nil)
        let stream = CutStream(widths: [3, 5, 7], projectsInput: true, projectsOutput: true)
        configuration.setCutStream(stream)
        #expect(try configuration.cutStream() == stream)
        configuration.setCutStream(nil)
        #expect(configuration.root["tessera"] == nil)
    }
}
