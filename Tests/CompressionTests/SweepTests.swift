import Compression
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Sweeps over two matrices of the language model that ships, so that they stay quick.
@Suite struct SweepTests {
    static func job(_ output: URL, _ budgets: [Budget], families: [String] = ["quantized", "low-rank"], threads: Int = 2) -> SweepJob {
        var job = SweepJob(
            model: CompressionJobTests.model, output: output.path,
            recipe: Recipe(
                budget: budgets[0],
                selection: MatrixSelection(only: ["model.layers.0.self_attn.k_proj", "model.layers.5.self_attn.o_pr?j"]),
                families: families, seed: 3),
            budgets: budgets, calibration: .file(CompressionJobTests.prose), context: ExecutionContext(threads: threads))
        job.scope = .linear
        job.fronts = ["low-rank", "quantized"]
        job.batches = []
        return job
    }

    static func bytes(_ share: Double) -> Budget { Budget(quantity: .bytes, fraction: share) }

    @Test func everyPointIsWhatTheCompressionByItselfGives() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "sweep")
            let results = try Self.job(output, [Self.bytes(0.5), Self.bytes(0.25), Self.bytes(0.05)]).run()
            #expect(!FileManager.default.fileExists(atPath: output.path + ".journal"))
            let files = try CompressionJobTests.contents(output)
            #expect(files.keys.sorted() == ["plan-25.json", "plan-50.json", "sweep.html", "sweep.json"])

            for share in [0.5, 0.25] {
                let name = share == 0.5 ? "plan-50.json" : "plan-25.json"
                var direct = CompressionJobTests.job(
                    folder.appending(path: "direct-\(share)"), budget: Self.bytes(share), families: ["quantized", "low-rank"])
                direct.keepsJournal = false
                let plan = try direct.plan().json.serialized(pretty: true) + [UInt8(ascii: "\n")]
                #expect(files[name] == Data(plan))
                _ = try direct.run()
                // Followed without naming the text again: the plan does.
                let followed = folder.appending(path: "followed-\(share)")
                var job = CompressionJobTests.job(followed, planFile: output.appending(path: name).path)
                job.calibration = nil
                _ = try job.run()
                #expect(
                    try CompressionJobTests.contents(followed)["model.safetensors"]
                        == CompressionJobTests.contents(URL(filePath: direct.output))["model.safetensors"])
            }

            // Three sizes by auto, two controls and two fronts.
            #expect(results.rows.count == 15)
            let unreachable = results.rows.filter { $0.budget == Self.bytes(0.05) && $0.method != "control: uniform-svd" }
            #expect(unreachable.allSatisfy { $0.measured == nil && $0.error?.contains("cannot be met") == true })
            for row in results.rows where row.error == nil {
                let measured = try #require(row.measured)
                #expect(measured.figures.map(\.key).prefix(2) == ["perplexity", "kl_mean"])
                #expect(measured.bytes < results.bytes && measured.multiplyAdds <= results.multiplyAdds)
            }
            func kl(_ method: String, _ share: Double) throws -> Double {
                let row = try #require(results.rows.first { $0.method == method && $0.budget == Self.bytes(share) })
                return try #require(row.measured?.figure("kl_mean")?.value)
            }
            // What chooses among both families, by held-out output, is not worse than either, nor than the simplest.
            for other in ["low-rank only", "quantized only", "control: round-to-nearest", "control: uniform-svd"] {
                #expect(try kl("auto", 0.25) <= kl(other, 0.25), "\(other)")
            }
        }
    }

    @Test func pagesAndDocumentsSayWhatThereIs() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "sweep")
            var job = Self.job(output, [Self.bytes(0.3), Budget(quantity: .multiplyAdds, fraction: 0.5)])
            job.batches = [1, 2]
            let results = try job.run()
            let page = try String(contentsOf: output.appending(path: "sweep.html"), encoding: .utf8)
            #expect(PageReader(page).isWellFormed)
            for text in ["Budgets of bytes", "Budgets of multiply-adds", "auto, 30 % of bytes", "plan-macs-50.json"] {
                #expect(page.contains(text), "\(text)")
            }
            let document = try JSONValue.read(file: output.appending(path: "sweep.json").path)
            #expect(document["tessera_sweep"]?.intValue == 1)
            let points = try #require(document["points"]?.arrayValue)
            #expect(points.count == results.rows.count)
            #expect(points[0]["plan"]?.stringValue == "plan-30.json")
            #expect(points[0]["figures"]?["perplexity"]?["standard_error"]?.doubleValue ?? 0 > 0)
            let speeds = try #require(document["speed"]?["points"]?[0]?.arrayValue)
            #expect(speeds.map { $0["batch"]?.intValue } == [1, 2])
            #expect(speeds.allSatisfy { $0["times_dense"]?.doubleValue ?? 0 > 0 })
            // Under multiply-adds the controls are one, and quantized has no front.
            let macs = results.rows.filter { $0.budget.quantity == .multiplyAdds }
            #expect(macs.map(\.method) == ["auto", "control: uniform-svd", "low-rank only"])
            #expect(results.text.contains("share of multiply-adds"))
        }
    }

    /// Nor does little memory, in which weights and fits stay in files.
    @Test func threadsChangeNothing() throws {
        try CompressionJobTests.temporary { folder in
            let outputs = try [(threads: 1, memory: nil), (threads: 3, memory: 1)].map { threads, memory in
                let output = folder.appending(path: "threads-\(threads)/sweep")
                try FileManager.default.createDirectory(
                    at: output.deletingLastPathComponent(), withIntermediateDirectories: true)
                var job = Self.job(output, [Self.bytes(0.4), Self.bytes(0.2)], threads: threads)
                job.memoryLimit = memory
                _ = try job.run()
                return try CompressionJobTests.contents(output)
            }
            #expect(outputs[0] == outputs[1] && outputs[0].count == 4)
        }
    }

    @Test func textsThatOverlapAreRefused() throws {
        try CompressionJobTests.temporary { folder in
            var job = Self.job(folder.appending(path: "sweep"), [Self.bytes(0.4)])
            let text = try String(contentsOfFile: CompressionJobTests.prose, encoding: .utf8)
            job.evaluation = .prose(String(text.prefix(6000)), window: 64, name: "calibration-prose.txt")
            do {
                _ = try job.run()
                Issue.record("no error")
            } catch let error as CompressionError {
                let line = "\(error)"
                #expect(line.hasPrefix("calibration-prose.txt: "))
                #expect(line.contains("runs of 16 tokens that were looked up occur in the calibration text"))
                #expect(line.hasSuffix("(--allow-overlap measures all the same)"))
            }
            job.fronts = []
            job.controls = []
            job.allowsOverlap = true
            let results = try job.run()
            #expect(results.rows.count == 1)
            #expect(results.text.contains("occur in the calibration text"))
        }
    }

    @Test func aPlanOfOtherChoicesSaysWhatToSay() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "sweep")
            var sweep = Self.job(output, [Self.bytes(0.4)])
            (sweep.fronts, sweep.controls) = ([], [])
            sweep.recipe = Recipe(
                budget: Self.bytes(0.4), selection: sweep.recipe.selection, families: ["quantized"], precision: .bf16, seed: 9)
            _ = try sweep.run()
            let plan = output.appending(path: "plan-40.json").path
            let job = CompressionJobTests.job(folder.appending(path: "out"), planFile: plan)
            #expect(throws: CompressionError.planOfOtherChoices(file: plan, choices: ["--precision bf16", "--seed 9"])) {
                try job.run()
            }
            // A text that has changed since is no longer the plan's.
            let text = folder.appending(path: "text.txt")
            try Data(contentsOf: URL(filePath: CompressionJobTests.prose)).write(to: text)
            var own = CompressionJobTests.job(folder.appending(path: "own"), families: ["quantized"])
            own.calibration = .file(text.path)
            let made = folder.appending(path: "made.json")
            try AtomicFile.write(try own.plan().json.text(pretty: true), to: made.path)
            try Data(contentsOf: URL(filePath: CompressionJobTests.prose)).dropLast(500).write(to: text)
            var follow = CompressionJobTests.job(folder.appending(path: "follow"), planFile: made.path)
            follow.calibration = nil
            #expect(
                throws: CompressionError.planMismatch(
                    file: made.path, reason: "its calibration text '\(text.path)' is another now")
            ) { try follow.run() }
        }
    }
}
