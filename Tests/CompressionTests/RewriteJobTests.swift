import Compression
import Foundation
import ModelFiles
import Tensors
import Testing
import Transformers

/// Recipes that narrow coupled matrices, on the language model that ships.
@Suite struct RewriteJobTests {
    private func outcome(
        _ name: String, share: Double, to output: URL, threads: Int = 2
    ) throws -> RewriteJob.Outcome {
        let recipe = try #require(try RewriteRecipes.recipe(name)).sized(share)
        let text = output.deletingLastPathComponent().appending(path: "text.txt")
        let prose = try String(contentsOfFile: CompressionJobTests.prose, encoding: .utf8)
        try String(prose.prefix(4000)).write(to: text, atomically: true, encoding: .utf8)
        return try RewriteJob(
            model: CompressionJobTests.model, output: output.path, recipe: recipe, calibration: .file(text.path),
            context: ExecutionContext(threads: threads)
        ).run()
    }

    private let tokens = [1, 17, 230, 4, 99, 1023, 77, 5]

    private func scores(_ folder: String) throws -> Matrix {
        try LoadedModel.load(folder).causal.logits(tokens, context: .serial)
    }

    /// The folder opens again at its true size and runs; what was narrowed is what the outcome says.
    @Test(arguments: ["flap", "modegpt", "obspa", "block-drop"])
    func aNarrowedModelComesBack(name: String) throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            let outcome = try outcome(name, share: 0.8, to: output)
            #expect(Double(outcome.touched.after) <= 0.81 * Double(outcome.touched.before))
            #expect(outcome.touched.after > outcome.touched.before / 2)
            let loaded = try LoadedModel.load(output.path)
            let network = try #require(loaded.model as? any NetworkModel)
            #expect(network.blockSizes == outcome.blocks.after)
            #expect(loaded.unusedTensors.isEmpty)
            let bytes = try FileManager.default.attributesOfItem(atPath: output.appending(path: "model.safetensors").path)
            let size = try #require(bytes[.size] as? Int)
            // f16, but for new biases, and the header.
            #expect(abs(size - 2 * outcome.parameters.after) < 120_000)
            #expect(try scores(output.path).isFinite)
        }
    }

    @Test(arguments: ["flap", "modegpt"])
    func keepingAllLeavesTheOutputs(name: String) throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            _ = try outcome(name, share: 1, to: output)
            let (before, after) = (try scores(CompressionJobTests.model), try scores(output.path))
            let largest = zip(before.elements, after.elements).map { abs($0 - $1) }.max() ?? .infinity
            #expect(largest < 2e-3 * (before.elements.map(abs).max() ?? 1))
        }
    }

    @Test func theSameBytesAtAnyNumberOfThreads() throws {
        try CompressionJobTests.temporary { folder in
            let files = try [1, 3].map { threads in
                let output = folder.appending(path: "out-\(threads)")
                _ = try outcome("flap", share: 0.8, to: output, threads: threads)
                return try CompressionJobTests.contents(output)
            }
            #expect(files[0] == files[1])
        }
    }

    @Test func everyShippedRecipeReads() throws {
        #expect(try RewriteRecipes.all().map(\.name) == RewriteRecipes.names)
        #expect(try RewriteRecipes.recipe("gptq-4bit") == nil)
        #expect(throws: CompressionError.self) { try RewriteRecipes.named(["nothing"]) }
    }

    @Test func whatCannotBeReachedIsRefusedAndNothingWritten() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            #expect(throws: (any Error).self) { try outcome("flap", share: 0.001, to: output) }
            #expect(!FileManager.default.fileExists(atPath: output.path))
        }
    }
}
