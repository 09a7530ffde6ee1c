import ModelFiles
import Tensors
import Testing
import Transformers

/// Models some of whose blocks were emptied, as ordinary models of fewer blocks.
@Suite struct IdleBlocksTests {
    private let context = ExecutionContext(threads: 2)
    private static let empty = BlockSizes(heads: 0, keyValueHeads: 0, queryKeyWidth: 0, valueWidth: 0, feedForwardWidth: 0)

    /// A folder's model with empty blocks, as if it had been opened; `bias` is what their outputs add to the stream.
    private func emptied(
        _ name: String, _ blocks: [Int], bias: [Float]? = nil,
        changing change: (inout ModelConfiguration) -> Void = { _ in }
    ) throws -> LoadedModel {
        let folder = try ModelFolder(path: SmallFolders.path(name))
        var configuration = folder.configuration
        change(&configuration)
        var model = try SmallFolders.model(name, SmallFolders.tensors(name), changing: change)
        for block in blocks {
            let down = model.linear(block, .down).weight
            let output = model.linear(block, .attentionOutput).weight
            model.setBlock(block, sizes: Self.empty, matrices: [.down: (down, bias), .attentionOutput: (output, bias)])
        }
        configuration.setBlockSizes(model.blockSizes)
        return LoadedModel(
            folder: "folder", configuration: configuration, checkpoint: try folder.checkpoint(),
            tokenizer: try .withoutTokens(), model: model, stopTokens: [],
            unusedTensors: try SmallFolders.load(name).unusedTensors)
    }

    /// The ordinary model of the same function.
    private func ordinary(_ loaded: LoadedModel) throws -> any NetworkModel {
        let configuration = try loaded.ordinaryConfiguration()
        #expect(!configuration.contains("tessera"))
        var tensors: [String: Tensor] = [:]
        for (name, ordinary) in loaded.ordinaryNames(of: loaded.checkpoint.tensorNames) {
            tensors[ordinary] = try loaded.checkpoint.tensor(named: name)
        }
        let all = tensors
        let found = ModelTensors(file: "model.safetensors", names: all.keys.sorted()) { all[$0] }
        let model = try Architectures.architecture(for: configuration).load(configuration, found)
        #expect(found.unused == loaded.unusedTensors)
        return try #require(model as? any NetworkModel)
    }

    /// Scores, or vectors of images.
    private func results(_ model: any NetworkModel) throws -> Matrix {
        if let causal = model as? any CausalModel {
            return try causal.logits((0..<30).map { ($0 * 17 + 5) % 300 }, context: context)
        }
        var images = try #require(model as? any ImageModel)
        let array = try NumPyArray(images: SmallFolders.path("vit") + "/images.npy")
        let rows = Matrix(rows: array.shape[0], columns: array.shape[1...].reduce(1, *), elements: array.elements)
        let sequences = try images.take(images: rows)
        return try images.embed(sequences, context: context)
    }

    private func message(_ loaded: LoadedModel) -> String {
        do { return try "no error: \(loaded.ordinaryConfiguration().root.keys)" } catch { return "\(error)" }
    }

    @Test(arguments: ["llama", "mistral", "qwen2", "qwen3", "gpt2", "opt", "vit"], [0, 1])
    func theModelWithoutAnEmptyBlockIsTheSame(name: String, block: Int) throws {
        let loaded = try emptied(name, [block])
        #expect(loaded.idleBlocks == [block])
        let model = try ordinary(loaded)
        #expect(model.blockSizes.count == 1)
        #expect(try results(model) == results(try #require(loaded.model as? any NetworkModel)))
    }

    /// Which blocks have a window is said by a list, or was said by the number of those without.
    @Test(arguments: [true, false]) func windowsStayWithTheirBlocks(hasList: Bool) throws {
        for (block, type, leading) in [(0, "sliding_attention", 0), (1, "full_attention", 1)] {
            let loaded = try emptied("qwen2", [block]) { if !hasList { $0.root["layer_types"] = nil } }
            let configuration = try loaded.ordinaryConfiguration()
            #expect(configuration.value("layer_types") == (hasList ? .array([.string(type)]) : nil))
            #expect(try configuration.integer("max_window_layers") == leading)
            let model = try ordinary(loaded)
            #expect(model.window(0) == (block == 0 ? 7 : nil))
            #expect(try results(model) == results(try #require(loaded.model as? any NetworkModel)))
        }
    }

    /// Blocks are told apart by whole numbers, and what lies outside of them keeps its name.
    @Test func laterBlocksMoveUp() throws {
        let loaded = try emptied("gpt2", [0])
        let names = loaded.ordinaryNames(of: [
            "transformer.wte.weight", "transformer.h.0.ln_1.weight", "transformer.h.1.ln_1.weight", "transformer.h.1.attn.bias",
            "transformer.h.10.ln_1.weight",
        ])
        #expect(
            names == [
                "transformer.wte.weight": "transformer.wte.weight", "transformer.h.1.ln_1.weight": "transformer.h.0.ln_1.weight",
                "transformer.h.1.attn.bias": "transformer.h.0.attn.bias",
                "transformer.h.10.ln_1.weight": "transformer.h.10.ln_1.weight",
            ])
    }

    /// What an empty block still adds to the stream would be lost with it.
    @Test func aBiasIsNotLost() throws {
        var bias = [Float](repeating: 0, count: 33)
        let zeros = try emptied("gpt2", [1], bias: bias)
        #expect(zeros.idleBlocks == [1])
        #expect(try results(ordinary(zeros)) == results(try #require(zeros.model as? any NetworkModel)))
        bias[32] = 1e-3
        let loaded = try emptied("gpt2", [1], bias: bias)
        #expect(loaded.idleBlocks.isEmpty)
        #expect(
            message(loaded)
                == "folder: cannot be an ordinary folder of the architecture 'gpt2': block 1 is empty but the biases of its "
                + "outputs remain, and an ordinary block has both parts")
    }

    @Test(arguments: ["bert", "roberta", "distilbert", "opt-projected"]) func normsBehindTheSumsRemain(name: String) throws {
        let loaded = try emptied(name, [1])
        let architecture = name.hasPrefix("opt") ? "opt" : name
        #expect(loaded.idleBlocks.isEmpty)
        #expect(
            message(loaded)
                == "folder: cannot be an ordinary folder of the architecture '\(architecture)': block 1 is empty but its "
                + "LayerNorms remain, and an ordinary block has both parts")
    }

    @Test func whatCannotBeSaidIsRefused() throws {
        let start = "folder: cannot be an ordinary folder of the architecture 'llama': "
        #expect(message(try emptied("llama", [0, 1])) == start + "all its blocks are empty")
        #expect(
            message(try emptied("llama", [0]) { $0.root["layer_types"] = ["full_attention"] })
                == start + "some blocks are empty, and 'layer_types' is a list of 1 for 2 blocks")
        #expect(
            message(try emptied("llama", [0]) { $0.root["no_rope_layers"] = [1, 0] })
                == start + "some blocks are empty, and it is not known which entries of 'no_rope_layers' are theirs")
    }
}
