import Analysis
import Compression
import Foundation
import ModelFiles
import Rewriting
import Tensors
import Testing
import Transformers

/// Recipes that cut the residual stream, and the folders they write.
@Suite struct StreamSlicingTests {
    private let context = ExecutionContext(threads: 2)

    private func recipe(_ name: String, _ share: Double) throws -> RewriteRecipe {
        try #require(try RewriteRecipes.recipe(name)).sized(share)
    }

    /// Half of the calibration prose, in a file of its own.
    private func text(_ folder: URL) throws -> CalibrationSource {
        let file = folder.appending(path: "text.txt")
        let prose = try String(contentsOfFile: CompressionJobTests.prose, encoding: .utf8)
        try String(prose.prefix(4000)).write(to: file, atomically: true, encoding: .utf8)
        return .file(file.path)
    }

    /// The folder opens at its true size, computes the same in batches and token by token, and says what it is.
    @Test(arguments: ["slicegpt", "slicegpt-tied"]) func aCutModelComesBack(name: String) throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            let outcome = try RewriteJob(
                model: CompressionJobTests.model, output: output.path, recipe: recipe(name, 0.8),
                calibration: try text(folder), context: context
            ).run()
            #expect(Double(outcome.touched.after) <= 0.8 * Double(outcome.touched.before))
            #expect(Double(outcome.touched.after) > 0.76 * Double(outcome.touched.before))
            #expect(outcome.stream.features == 384 && outcome.stream.widths.count == 13)
            #expect(outcome.stream.widths.allSatisfy { $0 % 8 == 0 && $0 < 384 })
            #expect(outcome.text.contains("The folder opens only in Tessera."))
            let loaded = try LoadedModel.load(output.path)
            #expect(loaded.unusedTensors.isEmpty)
            let network = try #require(loaded.model as? any NetworkModel)
            #expect(network.streamWidths == outcome.stream.widths)
            #expect(network.isHeadTied == (name == "slicegpt-tied"))
            let bytes = try FileManager.default.attributesOfItem(atPath: output.appending(path: "model.safetensors").path)
            #expect(abs(try #require(bytes[.size] as? Int) - 2 * outcome.parameters.after) < 120_000)
            let tokens = [1, 17, 230, 4, 99, 1023, 77, 5]
            let scores = try loaded.causal.logits(tokens, context: context)
            #expect(scores.isFinite)
            var (last, cache) = try loaded.causal.prefill([1], context: context)
            for token in tokens.dropFirst() { last = try loaded.causal.decode(token, cache: &cache, context: context) }
            #expect(SmallNetworks.relativeDifference(Array(scores.row(7)), last) < 1e-4)
            var got = ""
            do { _ = try loaded.ordinaryConfiguration() } catch { got = "\(error)" }
            let width = try #require(outcome.stream.widths.first)
            #expect(
                got.hasSuffix(
                    "cannot be an ordinary folder of the architecture 'llama': its residual stream is cut to \(width) features "
                        + "and passes through skip matrices, so it opens only in Tessera"), "\(got)")
        }
    }

    /// Encoders and other architectures, from memory to a folder and back.
    @Test(arguments: ["bert", "distilbert", "gpt2", "opt-projected", "qwen3", "vit"])
    func everyArchitectureComesBack(name: String) throws {
        try CompressionJobTests.temporary { folder in
            let path = SmallNetworks.path(name)
            let (original, sequences) = try SmallNetworks.load(name)
            var model = original
            model.untieHead()
            try model.fuseNorms()
            let widths = model.coupling.places.indices.map { model.streamFeatures - 2 - $0 % 2 }
            let sliced = try StreamSlicer(sequences: sequences, context: context).slice(model, to: widths)
            let output = folder.appending(path: "out").path
            var loaded = try LoadedModel.load(path)
            try RewrittenFolder(
                source: ModelFolder(path: path), original: loaded, changes: ModelChanges(from: original, to: sliced),
                destination: output, replacing: false
            ).write()
            loaded = try LoadedModel.load(output)
            if name == "vit" { try loaded.take(images: path + "/images.npy") }
            #expect(loaded.unusedTensors.filter { !$0.hasPrefix("pooler.") }.isEmpty, "\(loaded.unusedTensors)")
            let (before, after) = (
                try SmallNetworks.outputs(sliced, sequences), try SmallNetworks.outputs(loaded.model, sequences)
            )
            #expect(SmallNetworks.relativeDifference(before, after) < 1e-3)
            // It is another model than the original, and no wild one.
            let changed = SmallNetworks.relativeDifference(try SmallNetworks.outputs(original, sequences), after)
            #expect(changed > 1e-4 && changed < 1)
        }
    }

    /// At equal width principal directions keep more of the language model than its own features do.
    @Test func principalDirectionsBeatCoordinates() throws {
        let loaded = try LoadedModel.load(CompressionJobTests.model)
        let prose = try String(contentsOfFile: CompressionJobTests.prose, encoding: .utf8)
        let tokens = loaded.tokenizer.encode(prose)
        let windows = stride(from: 0, to: min(tokens.count, 24 * 64) - 63, by: 64).map { Array(tokens[$0..<$0 + 64]) }
        let held = Array(windows.suffix(4))
        var model = try #require(loaded.model as? any NetworkModel)
        let distance = try OutputDistance(original: model, sequences: held, context: context)
        model.untieHead()
        try model.fuseNorms()
        let widths = Array(repeating: 304, count: model.coupling.places.count)
        let distances = try [StreamBasis.Kind.principal, .coordinates].map { kind in
            let slicer = StreamSlicer(sequences: Array(windows.dropLast(4)), basis: kind, context: context)
            return try distance(slicer.slice(model, to: widths), context: context)
        }
        #expect(distances[0] < 0.5 * distances[1], "\(distances)")
    }

    @Test func widthsWithinABudget() throws {
        let budget = StreamBudget(attached: [100, 300, 200], features: 64, multiple: 8)
        #expect(budget.parameters([8, 16, 24]) == 800 + 4800 + 4800 + 128 + 384)
        let uniform = try budget.uniform(limit: 20_000)
        #expect(uniform == [24, 24, 24] && budget.parameters([32, 32, 32]) > 20_000)
        // What is lost at a place with few directions is nothing until they are cut.
        let losses = [30, 64, 64].map { rank in (0...64).map { width in Double(max(0, rank - width)) / 64 } }
        let widths = try budget.widths(limit: 20_000, losses: losses)
        #expect(budget.parameters(widths) <= 20_000 && widths.allSatisfy { $0 % 8 == 0 && $0 >= 8 })
        #expect(widths[0] <= 32 && widths != uniform)
        #expect(throws: RewritingError.unreachable(target: "a stream of 100 parameters", least: "4928")) {
            try budget.uniform(limit: 100)
        }
        #expect(throws: RewritingError.self) { try budget.widths(limit: 100, losses: losses) }
    }

    @Test func aTargetOutOfReachIsRefused() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            let source = try text(folder)
            #expect(throws: RewritingError.self) {
                try RewriteJob(
                    model: CompressionJobTests.model, output: output.path, recipe: recipe("slicegpt", 0.01),
                    calibration: source, context: context
                ).run()
            }
            #expect(!FileManager.default.fileExists(atPath: output.path))
        }
    }
}
