import Compression
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// What narrowing may take from a model of every architecture, and what it has to leave: tables and heads that share the
/// residual stream's width, query heads that share a key head, norms that are shared by heads.
@Suite struct CoupledGroupTests {
    private static let models = CompressionJobTests.root.appending(path: "Tests/TransformersTests/Resources/models")
    private static let architectures = [
        "bert", "distilbert", "roberta", "gpt2", "gpt2-untied", "llama", "mistral", "opt", "opt-projected", "qwen2", "qwen3", "vit",
    ]

    private static func model(_ name: String) -> String { models.appending(path: name).path }

    private static func calibration(_ name: String, in folder: URL) throws -> CalibrationSource {
        guard name != "vit" else { return .file(models.appending(path: "vit/images.npy").path) }
        let isEncoder = ["bert", "distilbert", "roberta"].contains(name)
        let examples = CompressionJobTests.root.appending(path: "Examples")
        let source = examples.appending(path: isEncoder ? "calibration-sentences.txt" : "calibration-prose.txt")
        let file = folder.appending(path: "text.txt")
        try String(contentsOf: source, encoding: .utf8).prefix(3000).write(to: file, atomically: true, encoding: .utf8)
        return .file(file.path)
    }

    private static func narrowed(
        _ name: String, _ recipe: String, share: Double, to output: URL
    ) throws -> (before: any NetworkModel, after: any NetworkModel) {
        _ = try RewriteJob(
            model: model(name), output: output.path, recipe: try RewriteRecipes.named([recipe])[0].sized(share),
            calibration: try calibration(name, in: output.deletingLastPathComponent()), context: ExecutionContext(threads: 2)
        ).run()
        let (before, after) = (try LoadedModel.load(model(name)), try LoadedModel.load(output.path))
        #expect(after.unusedTensors == before.unusedTensors)
        return (
            try #require(before.model as? any NetworkModel), try #require(after.model as? any NetworkModel)
        )
    }

    private func numbers(_ model: any NetworkModel, _ site: String) -> [Float] { model[site: site].dense().elements }

    /// Blocks get narrower, and nothing outside of them changes: a head that is the table of words stays that table.
    @Test(arguments: architectures, ["obspa", "narrow"])
    func blocksGiveAndTheStreamKeepsItsWidth(name: String, recipe: String) throws {
        try CompressionJobTests.temporary { folder in
            let (before, after) = try Self.narrowed(name, recipe, share: 0.6, to: folder.appending(path: "out"))
            #expect(after.blockSizes != before.blockSizes)
            for (old, new) in zip(before.blockSizes, after.blockSizes) {
                // A key head goes with all queries that read it.
                #expect(new.heads * old.keyValueHeads == new.keyValueHeads * old.heads)
                #expect(new.heads <= old.heads && new.queryKeyWidth <= old.queryKeyWidth)
                #expect(new.valueWidth <= old.valueWidth && new.feedForwardWidth <= old.feedForwardWidth)
            }
            let coupled = before.coupling
            #expect(after.coupling.residual == coupled.residual && after.coupling.tied == coupled.tied)
            let outside = coupled.residual.tables + (coupled.residual.readers + coupled.residual.writers).map(\.site)
            for site in outside where before.sites.contains(where: { $0.name == site }) {
                #expect(numbers(before, site) == numbers(after, site))
            }
            if let tied = coupled.tied { #expect(numbers(before, tied.site) == numbers(after, tied.site)) }
        }
    }

    /// Qwen 3 norms the channels of each head's queries and keys by weights that all heads share: they stay, values and
    /// neurons give the more.
    @Test(arguments: ["modegpt", "narrow"])
    func headsWithNormsOfTheirOwnKeepTheirChannels(recipe: String) throws {
        try CompressionJobTests.temporary { folder in
            let (before, after) = try Self.narrowed("qwen3", recipe, share: 0.6, to: folder.appending(path: "out"))
            for (old, new) in zip(before.blockSizes, after.blockSizes) { #expect(new.queryKeyWidth == old.queryKeyWidth) }
            #expect(after.blockSizes.contains { sizes in before.blockSizes[0].feedForwardWidth > sizes.feedForwardWidth })
        }
    }

    /// Queries and keys are narrowed by whole pairs of channels where positions turn them, and every key head says which.
    @Test func rotatedChannelsGoInPairs() throws {
        try CompressionJobTests.temporary { folder in
            let (before, after) = try Self.narrowed("llama", "modegpt", share: 0.6, to: folder.appending(path: "out"))
            let narrower = zip(before.blockSizes, after.blockSizes).filter { $1.queryKeyWidth < $0.queryKeyWidth }
            #expect(!narrower.isEmpty)
            for (_, sizes) in narrower {
                #expect(sizes.queryKeyWidth % 2 == 0)
                #expect(sizes.rotaryPairs?.count == sizes.keyValueHeads * sizes.queryKeyWidth / 2)
            }
        }
    }

    private func job(_ name: String, _ output: URL, _ change: (inout Recipe) -> Void) throws -> CompressionJob {
        var recipe = Recipe(budget: Budget(quantity: .multiplyAdds, fraction: 0.6), families: ["low-rank"])
        recipe.rewrites = .shares([0.8])
        change(&recipe)
        return CompressionJob(
            model: Self.model(name), output: output.path, recipe: recipe,
            calibration: try Self.calibration(name, in: output.deletingLastPathComponent()),
            context: ExecutionContext(threads: 2))
    }

    /// A matrix that is left out shares its width with those that take part: then none is narrowed, and it is said why.
    @Test func aWidthSharedWithAMatrixThatIsLeftOutIsRefused() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            let name = "bert.encoder.layer.0.output.dense"
            let site = try #require(
                try LoadedModel.load(Self.model("bert")).model.sites.map(\.name).first { name.hasSuffix($0) || $0.hasSuffix(name) })
            let job = try job("bert", output) { $0.selection = MatrixSelection(except: [site]) }
            #expect(throws: CompressionError.notNarrowedHere(reason: "'\(site)' is left out of the choice")) { try job.run() }
            #expect(!FileManager.default.fileExists(atPath: output.path))
            // Where nothing was asked for, nothing is narrowed, and nothing refused.
            let usual = try self.job("bert", output) {
                $0.selection = MatrixSelection(except: [site])
                $0.rewrites = .automatic
            }
            _ = try usual.run()
            #expect(try ModelFolder(path: output.path).configuration.blockSizes() == nil)
        }
    }

    @Test func whatCannotBeNarrowedBeforeAChoiceIsRefused() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            let timed = try job("llama", output) {
                $0 = Recipe(budget: Budget(quantity: .latency, fraction: 0.9))
                $0.rewrites = .shares([0.8])
            }
            #expect(
                throws: CompressionError.notNarrowedHere(
                    reason: "the table of latencies has no times of narrowed shapes; use --recipe ziplm")
            ) { try timed.run() }
            var blind = try job("llama", output) { _ in }
            blind.withoutCalibration = true
            #expect(
                throws: CompressionError.notNarrowedHere(
                    reason: "without calibration text nothing tells which neurons others can stand for")
            ) { try blind.run() }
            #expect(
                "\(CompressionError.notNarrowedHere(reason: "x"))" == "rewrites change all matrices of a block together: x")
        }
    }
}
