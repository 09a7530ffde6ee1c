import Compression
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Synchronization
import Tensors
import Testing

@Suite struct MethodStudyTests {
    static func study(
        _ model: String, _ pairs: String, _ output: String, fitters: [String] = ["svd", "activation-svd", "quantize"],
        seed: UInt64 = 0, again: [String] = [], threads: Int = 2
    ) throws -> MethodStudy {
        MethodStudy(
            model: model, pairs: pairs, methods: try SizedMethod.named(fitters: fitters),
            sizes: [.share(0.5, of: .parameters)], bits: [8, 2], seed: seed, output: output, again: again,
            context: ExecutionContext(threads: threads))
    }

    @Test func everyMethodIsARowAndEveryMatrixHasItsErrors() throws {
        try SmallEncoder.with { folder, model, pairs in
            let output = folder.appending(path: "deep/results.json").path
            let results = try Self.study(model, pairs, output).run()
            #expect(results.matrices.count == 12)
            #expect(
                results.rows.map { "\($0.fitter) \($0.size)" } == [
                    "svd 50 % of parameters", "activation-svd 50 % of parameters", "quantize 50 % of parameters",
                    "quantize 8 bits", "quantize 2 bits",
                ])
            let refused = results.rows[2]
            #expect(refused.measured == nil && refused.error?.contains("below the smallest quantized form") == true)
            for row in results.rows where row.error == nil {
                let measured = try #require(row.measured)
                #expect(measured.matrices.map(\.name) == results.matrices.map(\.name))
                #expect(measured.matrices.allSatisfy { Set($0.errors.keys) == ["frobenius", "activations"] })
                #expect(measured.seconds > 0 && (0...1).contains(measured.overlap) && measured.meanCosine <= 1.000001)
            }
            // Eight bits are next to the dense model, two are not.
            let (eight, two) = (try #require(results.rows[3].measured), try #require(results.rows[4].measured))
            #expect(eight.meanCosine > 0.99 && eight.meanCosine > two.meanCosine)
            #expect(abs(eight.spearman - results.dense.similarity.spearman) < 30)
            #expect(eight.cost.storedBytes > two.cost.storedBytes)

            // The whitened decomposition is the best of its rank under the activations.
            let wins = try #require(results.wins.first { $0.size == "50 % of parameters" }?.wins)
            #expect(wins.first { $0.fitter == "activation-svd" }?.over.first?.matrices == 12)
            #expect(wins.first { $0.fitter == "svd" }?.over.first?.matrices == 0)
            let document = try JSONValue.read(file: output)
            #expect(
                document["matrices_with_less_error_than"]?["50 % of parameters"]?["activation-svd"]?["svd"]?.intValue == 12)
            #expect(document["rows"]?[0]?["processor"]?.stringValue?.isEmpty == false)
            let page = try StudyResults.markdown(file: output, named: "results.json")
            #expect(page.hasPrefix("## Measured\n\nFrom `results.json`"))
            #expect(page.contains("| `quantize` | 8 bits | 8.") && page.contains("Could not serve: `quantize` at 50 % of parameters."))
            #expect(results.text.contains("refused  quantize, 50 % of parameters: "))
            #if os(Linux)
                #expect(try #require(eight.peakMemory) >= 0)
            #endif
        }
    }

    @Test func aStudyGoesOnFromItsFile() throws {
        try SmallEncoder.with { folder, model, pairs in
            let output = folder.appending(path: "results.json").path
            let first = try Self.study(model, pairs, output, fitters: ["svd"]).run()
            let second = try Self.study(model, pairs, output, fitters: ["svd", "activation-svd"], threads: 1).run()
            #expect(second.rows.map(\.fitter) == ["svd", "activation-svd"])
            // Read, not measured anew: seconds never come out the same twice. What is in the file is rounded.
            let (measured, read) = (try #require(first.rows[0].measured), try #require(second.rows[0].measured))
            #expect(abs(measured.seconds - read.seconds) <= 1e-3 * measured.seconds)
            #expect(first.rows[0].date == second.rows[0].date)
            let bytes = try Data(contentsOf: URL(filePath: output))
            let third = try Self.study(model, pairs, output, fitters: ["svd", "activation-svd"]).run()
            #expect(third.rows == second.rows || third.rows.count == 2)
            #expect(try Data(contentsOf: URL(filePath: output)) == bytes)

            let anew = try Self.study(model, pairs, output, fitters: ["svd"], again: ["svd"]).run()
            #expect(anew.rows.map(\.fitter) == ["activation-svd", "svd"])
        }
    }

    @Test func filesOfOtherStudiesAreRefused() throws {
        try SmallEncoder.with { folder, model, pairs in
            let output = folder.appending(path: "results.json").path
            _ = try Self.study(model, pairs, output, fitters: ["svd"]).run()
            let before = try Data(contentsOf: URL(filePath: output))
            #expect(throws: CompressionError.studyMismatch(file: output, differs: ["seed"])) {
                try Self.study(model, pairs, output, fitters: ["svd"], seed: 4).run()
            }
            #expect(try Data(contentsOf: URL(filePath: output)) == before)
            for text in ["{}", #"{"tessera_study": 2, "rows": []}"#] {
                try Data(text.utf8).write(to: URL(filePath: output))
                #expect(
                    throws: CompressionError.studyUnreadable(file: output, reason: #"expected "tessera_study": 1 and "rows""#)
                ) { try Self.study(model, pairs, output, fitters: ["svd"]).run() }
            }
        }
    }

    /// What was fitted before is not fitted again, and the bytes are those of a run that was left alone.
    @Test func aRecipeThatWasStoppedGoesOn() throws {
        try SmallEncoder.with { folder, model, _ in
            let steps = Mutex([Int]())
            func job(_ name: String, atTheEnd: @escaping @Sendable () -> Void = {}) throws -> RecipeJob {
                RecipeJob(
                    model: model, output: folder.appending(path: name).path, recipe: try MethodRecipes.named("wanda-2of4"),
                    calibration: .own, context: ExecutionContext(threads: 2),
                    progress: { step in
                        guard step.stage.hasPrefix("fitting") else { return }
                        steps.withLock { $0.append(step.done) }
                        if step.done == step.total { atTheEnd() }
                    })
            }
            _ = try job("whole").run()
            let expected = try CompressionJobTests.contents(folder.appending(path: "whole"))
            #expect(steps.withLock { $0 } == Array(1...12))

            // Something else takes the output's place after the last fit: nothing is written, and the fits are kept.
            let output = folder.appending(path: "stopped")
            let stopped = try job("stopped") {
                _ = FileManager.default.createFile(atPath: output.path, contents: Data())
            }
            #expect(throws: ModelFileError.self) { _ = try stopped.run() }
            try FileManager.default.removeItem(at: output)
            let journal = folder.appending(path: "stopped.journal")
            let records = journal.appending(path: "records.jsonl")
            let complete = try Data(contentsOf: records)
            for (share, left) in [(1.0, 0), (0.5, 7), (0.0, 12)] {
                // A kill may cut the last line.
                try complete.prefix(Int(share * Double(complete.count))).write(to: records)
                steps.withLock { $0 = [] }
                let again = try job("stopped")
                _ = try again.run()
                #expect(try CompressionJobTests.contents(output) == expected)
                #expect(!FileManager.default.fileExists(atPath: journal.path))
                let done = steps.withLock { $0 }
                #expect(done.count <= left && done == Array((13 - done.count)..<13))
                try FileManager.default.removeItem(at: output)
                guard share > 0 else { break }
                #expect(throws: ModelFileError.self) { _ = try stopped.run() }
                try FileManager.default.removeItem(at: output)
            }
        }
    }

    @Test func aRecipeWritesAFolderThatLoads() throws {
        try SmallEncoder.with { folder, model, _ in
            func run(_ name: String, _ recipe: String, threads: Int) throws -> RecipeJob.Outcome {
                try RecipeJob(
                    model: model, output: folder.appending(path: name).path, recipe: try MethodRecipes.named(recipe),
                    calibration: .own, context: ExecutionContext(threads: threads)
                ).run()
            }
            let outcome = try run("one", "wanda-2of4", threads: 1)
            #expect(outcome.fits.matrices.count == 12)
            #expect(outcome.fits.matrices.allSatisfy { $0.matrix.family == NMSparse.family })
            _ = try run("two", "wanda-2of4", threads: 3)
            let (one, two) = (
                try CompressionJobTests.contents(folder.appending(path: "one")),
                try CompressionJobTests.contents(folder.appending(path: "two"))
            )
            #expect(one == two && one["recipe.yaml"] != nil && one["report.json"] != nil)
            let quantized = try run("three", "gptq-4bit", threads: 2)
            #expect(quantized.fits.matrices.allSatisfy { $0.matrix.attributes.values["bits"] == 4 })
            let folderAgain = try ModelFolder(path: folder.appending(path: "three").path)
            #expect(folderAgain.configuration.isCompressed)

            var without = RecipeJob(
                model: model, output: folder.appending(path: "four").path, recipe: try MethodRecipes.named("wanda"),
                context: .serial)
            #expect(throws: CompressionError.self) { try without.run() }
            #expect(!FileManager.default.fileExists(atPath: without.output))
            without.model = folder.appending(path: "three").path
            #expect(throws: CompressionError.alreadyCompressed(folder: without.model)) { try without.run() }
        }
    }
}
