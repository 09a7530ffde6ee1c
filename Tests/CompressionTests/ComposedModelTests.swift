import Compression
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Composed matrices through the whole pipeline.
@Suite struct ComposedModelTests {
    private static let site = "model.layers.0.self_attn.k_proj"

    /// Writes the model with a source's middle candidate in place of one matrix.
    private static func write(_ name: String, to output: URL) throws -> any StructuredMatrix {
        let loaded = try LoadedModel.load(CompressionJobTests.model)
        let site = try #require(loaded.model.sites.first { $0.name == Self.site })
        let source = try #require(CandidateSources.all.first { $0.name == name })
        let grid = source.candidates(for: site, quantity: .bytes, precision: .f16)
        let fit = try source.fit(
            grid[grid.count / 2],
            CandidateContext(
                site: site, weight: loaded.model[site: site.name].dense(), objective: .frobenius,
                fit: FitContext(name: site.name, precision: .f16)))
        try RewrittenFolder(
            source: try ModelFolder(path: CompressionJobTests.model), original: loaded,
            changes: ModelChanges(matrices: [(site.name, fit.matrix)]), destination: output.path, replacing: false
        ).write()
        return fit.matrix
    }

    @Test(arguments: [
        "sparse-low-rank", "nm-low-rank", "quantized-low-rank", "dictionary", "armor", "quantized-factors",
    ])
    func compositionsAreWrittenAndReadBack(name: String) throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "small")
            let written = try Self.write(name, to: output)
            let loaded = try LoadedModel.load(output.path)
            let matrix = loaded.model[site: Self.site]
            #expect(try #require(matrix as? any ComposedMatrix).parts.count >= 2)
            #expect(MatrixDescription(matrix) == MatrixDescription(written) && matrix.dense() == written.dense())
            #expect(loaded.unusedTensors.isEmpty)
        }
    }

    /// Slow fits of composed matrices go through the journal.
    @Test func compositionsAreChosen() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "small")
            _ = try CompressionJobTests.job(
                output, budget: Budget(quantity: .bytes, fraction: 0.4), families: ["quantized-low-rank", "low-rank"],
                only: [Self.site]
            ).run()
            let matrix = try LoadedModel.load(output.path).model[site: Self.site]
            #expect((matrix as? MatrixSum)?.parts.map(\.family.name) == ["quantized", "low-rank"])
        }
    }

    /// A folder with a composed matrix, rewritten with that matrix dense again: nothing of its parts is left over.
    @Test func replacingAComposedMatrixRemovesItsParts() throws {
        try CompressionJobTests.temporary { folder in
            let (small, dense) = (folder.appending(path: "small"), folder.appending(path: "dense"))
            let site = Self.site
            _ = try Self.write("armor", to: small)
            let loaded = try LoadedModel.load(small.path)
            #expect(loaded.checkpoint.tensorNames.contains("\(site).1.values"))
            let weight = loaded.model[site: site].dense()
            let rewritten = try RewrittenFolder(
                source: try ModelFolder(path: small.path), original: loaded,
                changes: ModelChanges(matrices: [(site, Dense(weight))]), destination: dense.path, replacing: false)
            try rewritten.write()
            let again = try LoadedModel.load(dense.path)
            #expect(again.unusedTensors.isEmpty && !again.configuration.isCompressed)
            #expect(again.checkpoint.tensorNames.filter { $0.hasPrefix(site) } == ["\(site).weight"])
            #expect(again.model[site: site].dense() == weight)
        }
    }
}
