import Compression
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Models whose blocks, vectors and norms changed, written and read back.
@Suite struct RewrittenFolderTests {
    private static let models = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("TransformersTests/Resources/models")
    private let context = ExecutionContext(threads: 2)

    private func withFolder<Value>(_ body: (URL) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-rewritten-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return try body(folder)
    }

    private func load(_ name: String) throws -> (folder: ModelFolder, loaded: LoadedModel) {
        let path = Self.models.appendingPathComponent(name).path
        return (try ModelFolder(path: path), try LoadedModel.load(path))
    }

    private func scores(_ model: any TransformerModel) throws -> Matrix {
        try #require(model as? any CausalModel).logits([5, 60, 7, 200, 33], context: context)
    }

    private func largestDifference(_ left: Matrix, _ right: Matrix) -> Float {
        zip(left.elements, right.elements).map { abs($0 - $1) }.max() ?? 0
    }

    private func rows(_ matrix: Matrix, _ kept: [Int]) -> Matrix {
        Matrix(rows: kept.count, columns: matrix.columns) { matrix[kept[$0], $1] }
    }

    private func columns(_ matrix: Matrix, _ kept: [Int]) -> Matrix {
        Matrix(rows: matrix.rows, columns: kept.count) { matrix[$0, kept[$1]] }
    }

    /// Two of GPT-2's three heads in block 0, 31 of 50 neurons in block 1: the coupling says what goes together.
    @Test func aNarrowedModelComesBack() throws {
        let (folder, loaded) = try load("gpt2")
        var model = try #require(loaded.model as? any NetworkModel)
        let attention = try #require(model.coupling.blocks[0].attention)
        let network = try #require(model.coupling.blocks[1].feedForward)
        let heads = [0, 2].flatMap { head in (0..<attention.queryKeyWidth).map { head * attention.queryKeyWidth + $0 } }
        let neurons = Array(0..<31)
        var matrices: [(name: String, matrix: any StructuredMatrix)] = []
        var vectors: [(name: String, values: [Float])] = []
        func keep(_ linear: LinearDescription, outputs: [Int]) throws {
            matrices.append((linear.site, Dense(rows(model[site: linear.site].dense(), outputs))))
            let bias = try #require(linear.bias), numbers = try #require(model[vector: bias])
            vectors.append((bias, outputs.map { numbers[$0] }))
        }
        for linear in [attention.query, attention.key, attention.value] { try keep(linear, outputs: heads) }
        try keep(network.up, outputs: neurons)
        for (linear, inputs) in [(attention.output, heads), (network.down, neurons)] {
            matrices.append((linear.site, Dense(columns(model[site: linear.site].dense(), inputs))))
        }
        var blocks = model.blockSizes
        (blocks[0].heads, blocks[0].keyValueHeads) = (2, 2)
        blocks[1].feedForwardWidth = neurons.count
        model.blockSizes = blocks
        for (name, matrix) in matrices { model[site: name] = matrix }
        for (name, values) in vectors { model[vector: name] = values }
        let expected = try scores(model)
        #expect(largestDifference(expected, try scores(loaded.model)) > 1e-3)

        try withFolder { target in
            let small = target.appending(path: "small").path
            var changes = ModelChanges(matrices: matrices, vectors: vectors)
            changes.blocks = blocks
            try RewrittenFolder(
                source: folder, original: loaded, changes: changes, destination: small, replacing: false
            ).write()
            let again = try LoadedModel.load(small)
            #expect(try scores(again.model) == expected)
            #expect(again.unusedTensors.isEmpty)
            #expect((again.model as? any NetworkModel)?.coupling == model.coupling)
            #expect(throws: TransformersError.self) { try again.ordinaryConfiguration() }
        }
    }

    /// One third of a fused tensor replaced: the others are carried over, and the whole comes back as it was.
    @Test func aPartOfAFusedTensor() throws {
        let (folder, loaded) = try load("gpt2-untied")
        let site = "transformer.h.0.attn.c_attn.key"
        let quantized = Dense(loaded.model[site: site].dense(), precision: .bf16)
        var model = loaded.model
        model[site: site] = quantized
        try withFolder { target in
            let small = target.appending(path: "small").path
            let rewritten = try RewrittenFolder(
                source: folder, original: loaded, changes: ModelChanges(matrices: [(site, quantized)]), destination: small,
                replacing: false)
            #expect(rewritten.untouchedTensors == loaded.checkpoint.tensorNames.count - 2 + 2 + 3)
            try rewritten.write()
            let again = try LoadedModel.load(small)
            #expect(try scores(again.model) == scores(model))
            #expect(again.unusedTensors.isEmpty)
            #expect(!again.checkpoint.contains("transformer.h.0.attn.c_attn.weight"))
            #expect(again.checkpoint.contains("transformer.h.0.attn.c_attn.value.bias"))
            // Sites that were not touched stay in the form they had.
            #expect(again.checkpoint.contains("transformer.h.0.mlp.c_fc.weight"))
        }
    }

    /// A matrix that no layer reads is stored in the run's precision; what is read, and numbers that f16 cannot hold, stay.
    @Test func matricesWithoutUseAreNarrowed() throws {
        let (folder, original) = try load("bert")
        try withFolder { target in
            let source = target.appending(path: "source").path
            try FileManager.default.copyItem(atPath: original.folder, toPath: source)
            let numbers: [Float] = [1, 0.1, -2.5, 3e-5, .infinity, 7]
            let added = ["spare.weight": numbers, "large.weight": [1e6, 0, 0, 0, 0, 0]]
            var tensors: [String: Tensor] = [:]
            for name in original.checkpoint.tensorNames { tensors[name] = try original.checkpoint.tensor(named: name) }
            for (name, values) in added { tensors[name] = try Tensor(values, shape: [2, 3]) }
            try SafetensorsWriter(
                file: source + "/model.safetensors",
                tensors: tensors.sorted { $0.key < $1.key }.map {
                    .init(name: $0.key, elementType: $0.value.elementType, shape: $0.value.shape)
                }
            ).write { try #require(tensors[$0]) }
            let loaded = try LoadedModel.load(source)
            #expect(Set(loaded.unusedTensors).isSuperset(of: added.keys))
            func written(_ precision: Precision?) throws -> (folder: RewrittenFolder, checkpoint: Checkpoint) {
                let path = target.appending(path: "out-\(precision?.rawValue ?? "all")").path
                let rewritten = try RewrittenFolder(
                    source: folder, original: loaded, changes: ModelChanges(),
                    unused: try precision.map { try UnusedMatrices(loaded, precision: $0) } ?? .carriedOver,
                    destination: path, replacing: false)
                try rewritten.write()
                return (rewritten, try LoadedModel.load(path).checkpoint)
            }
            let narrow = try written(.f16)
            for name in loaded.checkpoint.tensorNames {
                let before = try loaded.checkpoint.tensor(named: name), after = try narrow.checkpoint.tensor(named: name)
                let isNarrowed = loaded.unusedTensors.contains(name) && before.shape.count == 2 && name != "large.weight"
                #expect(after.elementType == (isNarrowed ? .f16 : before.elementType), "\(name)")
                if !isNarrowed { #expect(try after.floats() == before.floats(), "\(name)") }
            }
            #expect(
                try narrow.checkpoint.tensor(named: "spare.weight").floats() == numbers.map { Precision.f16.rounded($0) })
            let whole = try written(nil)
            #expect(try whole.checkpoint.tensor(named: "spare.weight").elementType == .f32)
            let saved = loaded.unusedTensors.filter { $0 != "large.weight" }.reduce(0) { sum, name in
                guard let entry = loaded.checkpoint.entry(named: name), entry.shape.count == 2 else { return sum }
                return sum + entry.byteCount / 2
            }
            #expect(saved >= 12 && whole.folder.untouchedBytes - narrow.folder.untouchedBytes == saved)
        }
    }

    @Test func sizesThatAllBlocksShareAreOrdinary() throws {
        let (_, llama) = try load("llama")
        func ordinary(_ blocks: [BlockSizes], biases: [String] = [], of loaded: LoadedModel) throws -> ModelConfiguration {
            var configuration = loaded.configuration
            configuration.setBlockSizes(blocks)
            configuration.setAddedBiases(biases)
            let changed = LoadedModel(
                folder: loaded.folder, configuration: configuration, checkpoint: loaded.checkpoint,
                tokenizer: loaded.tokenizer, model: loaded.model, stopTokens: [], unusedTensors: [])
            return try changed.ordinaryConfiguration()
        }
        let sizes = BlockSizes(heads: 2, keyValueHeads: 1, queryKeyWidth: 8, valueWidth: 8, feedForwardWidth: 20)
        let written = try ordinary([sizes, sizes], of: llama)
        #expect(try written.integer("num_attention_heads") == 2 && written.integer("num_key_value_heads") == 1)
        #expect(try written.integer("head_dim") == 8 && written.integer("intermediate_size") == 20)
        #expect(!written.contains("tessera"))

        func message(_ blocks: [BlockSizes], biases: [String] = [], of loaded: LoadedModel) -> String {
            do {
                _ = try ordinary(blocks, biases: biases, of: loaded)
                return "no error"
            } catch { return "\(error)" }
        }
        var other = sizes
        other.feedForwardWidth = 19
        let llamaStart = "\(llama.folder): cannot be an ordinary folder of the architecture 'llama': "
        #expect(
            message([sizes, other], of: llama)
                == llamaStart + "block 1 has other sizes than block 0, and config.json says them once for all")
        other = sizes
        other.valueWidth = 7
        #expect(
            message([other, other], of: llama) == llamaStart + "queries and keys have 8 features a head, values 7")
        #expect(
            message([sizes.withoutAttention, sizes.withoutAttention], of: llama)
                == llamaStart + "its blocks have no attention")
        other = sizes
        (other.queryKeyWidth, other.valueWidth, other.rotaryPairs) = (6, 6, [0, 1, 3])
        #expect(message([other, other], of: llama) == llamaStart + "some rotary pairs of features are gone")
        let (_, bert) = try load("bert")
        let narrow = BlockSizes(heads: 3, keyValueHeads: 3, queryKeyWidth: 6, valueWidth: 6, feedForwardWidth: 50)
        #expect(
            message([narrow, narrow], of: bert)
                == "\(bert.folder): cannot be an ordinary folder of the architecture 'bert': 3 heads of 6 features do not make "
                + "up the 30 of the stream, and config.json has no key for the width of a head")
        let (_, mistral) = try load("mistral")
        let whole = BlockSizes(heads: 4, keyValueHeads: 1, queryKeyWidth: 6, valueWidth: 6, feedForwardWidth: 35)
        let name = "model.layers.0.mlp.down_proj"
        #expect(
            message([whole, whole], biases: [name], of: mistral)
                == "\(mistral.folder): cannot be an ordinary folder of the architecture 'mistral': '\(name)' has a bias, and "
                + "config.json has no key for it")
    }

    /// A bias that was added to a part's output keeps an empty block in its place; where it goes, so does its mention.
    @Test func anAddedBiasThatGoesAgain() throws {
        let (folder, loaded) = try load("mistral")
        let bias = "model.layers.0.mlp.down_proj.bias"
        var biased = try #require(loaded.model as? any NetworkModel)
        biased[vector: bias] = (0..<24).map { Float($0) / 10 }
        try withFolder { target in
            func written(
                _ model: any NetworkModel, of source: ModelFolder, _ original: LoadedModel, to name: String
            ) throws -> String {
                let path = target.appending(path: name).path
                let before = try #require(original.model as? any NetworkModel)
                try RewrittenFolder(
                    source: source, original: original, changes: ModelChanges(from: before, to: model), destination: path,
                    replacing: false
                ).write()
                return path
            }
            let first = try written(biased, of: folder, loaded, to: "biased")
            let opened = try LoadedModel.load(first)
            #expect(try opened.configuration.addedBiases() == ["model.layers.0.mlp.down_proj"])
            let empty = BlockSizes(heads: 0, keyValueHeads: 0, queryKeyWidth: 0, valueWidth: 0, feedForwardWidth: 0)
            for keepsBias in [true, false] {
                var model = try #require(opened.model as? any NetworkModel)
                let down = model.linear(0, .down)
                model.setBlock(0, sizes: empty, matrices: [.down: (down.weight, keepsBias ? down.bias : nil)])
                let path = try written(model, of: ModelFolder(path: first), opened, to: "empty-\(keepsBias)")
                let again = try LoadedModel.load(path)
                #expect(try scores(again.model) == scores(model))
                #expect(try again.configuration.addedBiases().isEmpty == !keepsBias)
                if keepsBias {
                    #expect(throws: TransformersError.self) { try again.ordinaryConfiguration() }
                } else {
                    #expect(try again.ordinaryConfiguration().integer("num_hidden_layers") == 1)
                }
            }
        }
    }

    /// Layer norms of a stream whose tokens all have mean 0 are root-mean-square norms.
    @Test func normsWithoutMeans() throws {
        let (folder, loaded) = try load("opt")
        var model = try #require(loaded.model as? any NetworkModel)
        let coupling = model.coupling
        var matrices: [(name: String, matrix: any StructuredMatrix)] = []
        var vectors: [(name: String, values: [Float])] = []
        // What is written to the stream loses its mean: rows of tables, columns of matrices, biases.
        for member in coupling.residualWidth.members {
            let weight = model[site: member.site].dense()
            let isTable = coupling.residual.tables.contains(member.site)
            guard isTable || member.side == .outputs else { continue }
            let centred = isTable ? centredRows(weight) : centredRows(weight.transposed()).transposed()
            matrices.append((member.site, Dense(centred)))
        }
        for block in coupling.blocks {
            for bias in [block.attention?.output.bias, block.feedForward?.down.bias].compactMap({ $0 }) {
                let numbers = try #require(model[vector: bias])
                let mean = numbers.reduce(0, +) / Float(numbers.count)
                vectors.append((bias, numbers.map { $0 - mean }))
            }
        }
        for bias in coupling.normBiases { vectors.append((bias, [Float](repeating: 0, count: coupling.residual.width))) }
        for (name, matrix) in matrices { model[site: name] = matrix }
        for (name, values) in vectors { model[vector: name] = values }
        let expected = try scores(model)
        var dropped = model
        dropped.dropMeans()
        #expect(largestDifference(try scores(dropped), expected) < 1e-4)
        try withFolder { target in
            let small = target.appending(path: "small").path
            var changes = ModelChanges(
                matrices: matrices, vectors: vectors.filter { !coupling.normBiases.contains($0.name) })
            changes.dropsMeans = true
            try RewrittenFolder(
                source: folder, original: loaded, changes: changes, destination: small, replacing: false
            ).write()
            let again = try LoadedModel.load(small)
            #expect(try scores(again.model) == scores(dropped))
            #expect(again.unusedTensors.isEmpty)
            #expect(
                throws: TransformersError.notExpressible(
                    folder: small, architecture: "opt", reason: "its norms do not subtract the mean")
            ) { try again.ordinaryConfiguration() }
        }
    }

    private func centredRows(_ matrix: Matrix) -> Matrix {
        let means = (0..<matrix.rows).map { matrix.row($0).reduce(0, +) / Float(matrix.columns) }
        return Matrix(rows: matrix.rows, columns: matrix.columns) { matrix[$0, $1] - means[$0] }
    }
}
