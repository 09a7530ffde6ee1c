import Analysis
import Compression
import Foundation
import ModelFiles
import Tensors
import Testing

@Suite struct RewriteStudyTests {
    private func study(
        _ model: String, _ pairs: String, _ output: String, shares: [Double], recipes: [String] = ["magnitude-units", "flap"],
        seed: UInt64 = 0
    ) throws -> RewriteStudy {
        RewriteStudy(
            model: model, calibration: .own, evaluation: .pairs(try SentencePair.read(csv: pairs), name: "pairs.csv"),
            recipes: try recipes.map { try NamedRecipe($0) }, shares: shares, batches: [1], commit: "abc", seed: seed, output: output,
            context: ExecutionContext(threads: 2))
    }

    @Test func aStudyGoesOnFromItsFileAndKeepsOtherModels() throws {
        try SmallEncoder.with { folder, model, pairs in
            let output = folder.appending(path: "rewrites.json").path
            let first = try study(model, pairs, output, shares: [0.75]).run()
            let second = try study(model, pairs, output, shares: [0.75, 0.5]).run()
            #expect(second.rows.map(\.recipe) == ["magnitude-units", "flap", "magnitude-units", "flap"])
            #expect(second.rows.map(\.share) == [0.75, 0.75, 0.5, 0.5])
            #expect(second.rows.prefix(2).map(\.date) == first.rows.map(\.date))
            for row in second.rows {
                let measured = try #require(row.measured, "\(row)")
                #expect(Double(measured.touchedAfter) <= row.share * Double(measured.touchedBefore))
                #expect(measured.parameters < second.parameters && measured.multiplyAdds < second.multiplyAdds)
                #expect(measured.times.map(\.batch) == [1])
                #expect(measured.figures.map(\.key) == ["sts_spearman_100", "mean_cosine", "overlap"])
            }
            let bytes = try Data(contentsOf: URL(filePath: output))
            _ = try study(model, pairs, output, shares: [0.75, 0.5]).run()
            #expect(try Data(contentsOf: URL(filePath: output)) == bytes)

            let other = folder.appending(path: "another").path
            try FileManager.default.copyItem(atPath: model, toPath: other)
            _ = try study(other, pairs, output, shares: [0.5], recipes: ["flap"]).run()
            let both = try RewriteResults.all(output)
            #expect(both.map(\.model) == ["another", "model"] && both.map(\.rows.count) == [1, 4])
            #expect(.array(both.map(\.json)) == (try JSONValue.read(file: output))["models"])
            #expect(both[1].text.contains("flap"))
            #expect(throws: CompressionError.studyMismatch(file: output, differs: ["seed"])) {
                try study(model, pairs, output, shares: [0.5], seed: 5).run()
            }
            // A file of another kind of study.
            #expect(
                throws: CompressionError.studyUnreadable(
                    file: output, reason: #"expected "tessera_compression": 1 and "models""#)
            ) { try CompressionResults.all(output) }
        }
    }

    /// What narrows neurons and its control touch the same parameters; both are timed.
    @Test func recipesForSingleMatricesAreControlsOfFeedForwardNetworks() throws {
        try SmallEncoder.with { folder, model, pairs in
            let output = folder.appending(path: "rewrites.json").path
            let recipes = ["modegpt-neurons", "svd-llm", "gptq-4bit"]
            let results = try study(model, pairs, output, shares: [0.75], recipes: recipes).run()
            #expect(results.rows.map(\.recipe) == recipes)
            let (narrowed, control) = (try #require(results.rows[0].measured), try #require(results.rows[1].measured))
            let shape = SmallEncoder.shape
            #expect(control.touchedBefore == 2 * 2 * shape.hiddenSize * shape.intermediateSize)
            for row in [narrowed, control] {
                #expect(Double(row.touchedAfter) <= 0.75 * Double(row.touchedBefore) && row.times.map(\.batch) == [1])
                // Biases of neurons come and go with them.
                #expect(abs(row.touchedBefore - control.touchedBefore) <= shape.layers * shape.intermediateSize)
                #expect(row.parameters < results.parameters && row.multiplyAdds < results.multiplyAdds)
            }
            #expect(results.rows[2].error == "gptq-4bit: not a recipe: its options fix its size")
            #expect(try NamedRecipe.ofRewriteStudy().map(\.name) == RewriteRecipes.names + ["svd-llm"])
        }
    }

    @Test func whatARecipeRefusesIsARow() throws {
        try SmallEncoder.with { folder, model, pairs in
            let output = folder.appending(path: "rewrites.json").path
            let results = try study(model, pairs, output, shares: [0.01], recipes: ["block-drop"]).run()
            #expect(results.rows.count == 1 && results.rows[0].measured == nil && results.rows[0].error?.isEmpty == false)
            #expect(try RewriteResults.all(output)[0].rows == results.rows)
        }
    }
}
