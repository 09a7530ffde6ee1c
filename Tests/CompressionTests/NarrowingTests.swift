import Compression
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Coupled matrices narrowed before the choice for every matrix, on a small encoder of random numbers.
@Suite struct NarrowingTests {
    private static let model = CompressionJobTests.root.appending(path: "Tests/TransformersTests/Resources/models/bert").path
    private static let sentences = CompressionJobTests.root.appending(path: "Examples/calibration-sentences.txt")

    private static func job(
        _ output: URL, share: Double = 0.6, rewrites: NarrowingLevels = .shares([0.9, 0.8]), threads: Int = 2, plan: String? = nil
    ) throws -> CompressionJob {
        let text = output.deletingLastPathComponent().appending(path: "text.txt")
        let lines = try String(contentsOf: sentences, encoding: .utf8).split(separator: "\n").prefix(48)
        try lines.joined(separator: "\n").write(to: text, atomically: true, encoding: .utf8)
        var recipe = Recipe(budget: Budget(quantity: .multiplyAdds, fraction: share), families: ["low-rank"])
        recipe.rewrites = rewrites
        var job = CompressionJob(
            model: model, output: output.path, recipe: recipe, calibration: .file(text.path), planFile: plan,
            context: ExecutionContext(threads: threads))
        job.keepsJournal = true
        return job
    }

    @Test func levelsAreRead() throws {
        #expect(try NarrowingLevels("auto") == .automatic)
        #expect(try NarrowingLevels("none") == .none)
        #expect(try NarrowingLevels("80%, 90%,80%") == .shares([0.9, 0.8]))
        for text in ["", "most", "90%,", "120%"] {
            #expect(throws: CompressionError.invalidLevels(text: text)) { try NarrowingLevels(text) }
        }
        for text in ["auto", "none", "90%,80%"] { #expect(try NarrowingLevels(text).text == text) }
        #expect(
            "\(CompressionError.invalidLevels(text: "most"))"
                == "rewrites 'most': expected auto, none, or shares such as 90%,80%")
    }

    /// The budget holds of the model as it was, whatever was narrowed; the folder opens at the sizes that the plan says, and the
    /// plan gives it again.
    @Test func aNarrowedModelIsCompressedWithinTheBudgetAndItsPlanGivesItAgain() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            let report = try Self.job(output).run()
            #expect(report.selectedMultiplyAdds <= report.selectedMultiplyAddsDense * 6 / 10)
            let original = try LoadedModel.load(Self.model)
            let before = try #require(original.model as? any NetworkModel)
            let after = try LoadedModel.load(output.path)
            #expect(after.unusedTensors == original.unusedTensors)
            let network = try #require(after.model as? any NetworkModel)
            let plan = try Plan(file: output.appending(path: "plan.json"))
            // Which it is depends on the measure; a model that was narrowed says so everywhere.
            #expect((plan.rewrite != nil) == (network.blockSizes != before.blockSizes))
            #expect(report.recipe.contains { $0.name == "narrowed" } == (plan.rewrite != nil))
            for entry in plan.entries {
                #expect(network.sites.first { $0.name == entry.name }?.shape == entry.shape)
            }
            let again = folder.appending(path: "again")
            _ = try Self.job(again, plan: output.appending(path: "plan.json").path).run()
            #expect(
                try CompressionJobTests.contents(again)["model.safetensors"]
                    == CompressionJobTests.contents(output)["model.safetensors"])
        }
    }

    /// A plan that narrows is followed whatever `rewrites` says, and refused where the recipe is unknown or shapes are others.
    @Test func aPlanNarrows() throws {
        try CompressionJobTests.temporary { folder in
            var plan = try Self.job(folder.appending(path: "first"), rewrites: .none).plan()
            plan.rewrite = Plan.Rewrite(recipe: "narrow", share: 0.8)
            let file = folder.appending(path: "plan.json").path
            func run() throws {
                try plan.json.text(pretty: true).write(toFile: file, atomically: true, encoding: .utf8)
                _ = try Self.job(folder.appending(path: "out"), rewrites: .none, plan: file).run()
            }
            // Shapes are those of the model as it was.
            #expect(throws: CompressionError.self) { try run() }
            plan.rewrite = Plan.Rewrite(recipe: "widen", share: 0.8)
            #expect(throws: CompressionError.planMismatch(file: file, reason: "unknown rewrite 'widen'")) { try run() }
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "out").path))
        }
    }

    @Test func resumedAndThreadedRunsWriteTheSameBytes() throws {
        try CompressionJobTests.temporary { folder in
            let whole = folder.appending(path: "whole")
            _ = try Self.job(whole).run()
            let expected = try CompressionJobTests.contents(whole)
            let single = folder.appending(path: "single")
            _ = try Self.job(single, threads: 1).run()
            #expect(try CompressionJobTests.contents(single) == expected)
            let resumed = folder.appending(path: "resumed")
            _ = try Self.job(resumed).plan()
            let records = URL(filePath: resumed.path + ".journal/records.jsonl")
            let complete = try Data(contentsOf: records)
            for share in [0.1, 0.5, 0.95] {
                try complete.prefix(Int(share * Double(complete.count))).write(to: records)
                _ = try Self.job(resumed).plan()
            }
            _ = try Self.job(resumed).run()
            #expect(try CompressionJobTests.contents(resumed) == expected)
        }
    }

    /// A sweep narrows as the compression by itself does, and counts the bytes of what it leaves.
    @Test func aSweepNarrowsToo() throws {
        try CompressionJobTests.temporary { folder in
            let (alone, output) = (folder.appending(path: "alone"), folder.appending(path: "sweep"))
            let job = try Self.job(alone)
            let plan = try job.plan().json.serialized(pretty: true) + [UInt8(ascii: "\n")]
            var recipe = Recipe(budget: Budget(quantity: .multiplyAdds, fraction: 0.75), families: job.recipe.families)
            recipe.rewrites = job.recipe.rewrites
            var sweep = SweepJob(
                model: job.model, output: output.path, recipe: recipe, budgets: recipe.budgets + job.recipe.budgets,
                calibration: try #require(job.calibration), context: job.context)
            (sweep.fronts, sweep.batches, sweep.controls) = ([], [], [])
            let row = try #require(try sweep.run().rows.last?.measured)
            #expect(try CompressionJobTests.contents(output)["plan-macs-60.json"] == Data(plan))
            _ = try job.run()
            let reader = try SafetensorsReader(file: alone.appending(path: "model.safetensors").path)
            #expect(row.bytes == reader.tensorNames.reduce(0) { $0 + (reader.entry(named: $1)?.byteCount ?? 0) })
        }
    }

    /// Narrowing is kept only where the model comes closer on held-out text.
    @Test func narrowingIsNeverFartherOnHeldOutText() throws {
        try CompressionJobTests.temporary { folder in
            let with = try Self.job(folder.appending(path: "with"), share: 0.5).plan()
            func numbers(_ what: String) -> [[Double]] {
                with.notes.filter { $0.contains(what) }.map { note in
                    note.split(separator: " ").compactMap { Double($0.trimmingCharacters(in: .punctuationCharacters)) }
                }
            }
            // The level, its distance and the one before it; of both choices where it is close.
            let tried = numbers("on held-out text,")
            #expect(!tried.isEmpty && tried.allSatisfy { $0.count == 3 })
            if let found = numbers("compressed in full").first {
                #expect(found.count == 3)
                #expect((with.rewrite != nil) == (found[1] < found[2]))
            } else {
                let closest = tried.filter { $0[1] < $0[2] }.last?[1] ?? .infinity
                #expect((with.rewrite != nil) == (closest < 0.96 * (tried.first?[2] ?? 0)))
            }
        }
    }
}
