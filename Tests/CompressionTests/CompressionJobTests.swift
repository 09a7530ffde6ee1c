import Compression
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// The whole pipeline on two matrices of the language model that ships, so that it stays quick.
@Suite struct CompressionJobTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let model = root.appending(path: "Models/tiny-llama").path
    static let prose = root.appending(path: "Examples/calibration-prose.txt").path

    static func job(
        _ output: URL, budget: Budget = Budget(quantity: .bytes, fraction: 0.4), recovery: [RecoveryStep] = [],
        families: [String] = [],
        only: [String] = ["model.layers.0.self_attn.k_proj", "model.layers.5.self_attn.o_pr?j"],
        objective: Objective.Kind = .activations, seed: UInt64 = 3, threads: Int = 2, planFile: String? = nil
    ) -> CompressionJob {
        var job = CompressionJob(
            model: model, output: output.path,
            recipe: Recipe(
                budget: budget, selection: MatrixSelection(only: only), families: families,
                objective: objective, seed: seed),
            calibration: .file(prose), planFile: planFile, context: ExecutionContext(threads: threads))
        job.recipe.recovery = recovery
        job.keepsJournal = true
        return job
    }

    static func temporary(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-job-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    /// Every file of a folder, by relative name.
    static func contents(_ folder: URL) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
            let file = folder.appending(path: name)
            if !file.hasDirectoryPath, let data = try? Data(contentsOf: file) { files[name] = data }
        }
        return files
    }

    @Test func resumedAndThreadedRunsWriteTheSameBytes() throws {
        try Self.temporary { folder in
            let budget = Budget(quantity: .multiplyAdds, fraction: 0.5)
            let recovery: [RecoveryStep] =
                ProcessInfo.processInfo.environment["TESSERA_SLOW"] == "1" ? [.sequential, .refit] : []
            let whole = folder.appending(path: "whole")
            let report = try Self.job(whole, budget: budget, recovery: recovery).run()
            let expected = try Self.contents(whole)
            #expect(expected.keys.contains("model.safetensors") && expected.keys.contains("report.html"))
            #expect(report.fileBytesAfter == expected["model.safetensors"]?.count)
            #expect(!FileManager.default.fileExists(atPath: whole.path + ".journal"))

            let single = folder.appending(path: "single")
            _ = try Self.job(single, budget: budget, recovery: recovery, threads: 1).run()
            #expect(try Self.contents(single) == expected)

            // A run that was killed leaves some of its records, the last perhaps cut, and some of its tensors.
            let resumed = folder.appending(path: "resumed")
            _ = try Self.job(resumed, budget: budget, recovery: recovery).plan()
            let journal = URL(filePath: resumed.path + ".journal")
            let records = journal.appending(path: "records.jsonl")
            let complete = try Data(contentsOf: records)
            let tensors = try FileManager.default.contentsOfDirectory(atPath: journal.appending(path: "tensors").path).sorted()
            #expect(tensors.count > 1)
            for (index, share) in [0.0, 0.3, 0.77].enumerated() {
                try complete.prefix(Int(share * Double(complete.count))).write(to: records)
                for (position, name) in tensors.enumerated() where position % 3 == index {
                    try? FileManager.default.removeItem(at: journal.appending(path: "tensors/\(name)"))
                }
                if index < 2 { _ = try Self.job(resumed, budget: budget, recovery: recovery).plan() }
            }
            _ = try Self.job(resumed, budget: budget, recovery: recovery).run()
            #expect(try Self.contents(resumed) == expected)
        }
    }

    @Test func aPlanGivesTheFolderThatChoosingGives() throws {
        try Self.temporary { folder in
            let direct = folder.appending(path: "direct")
            _ = try Self.job(direct, recovery: [.refit], families: ["quantized"]).run()
            let plan = folder.appending(path: "plan.json")
            let made = try Self.job(folder.appending(path: "planned"), recovery: [.refit], families: ["quantized"]).plan()
            try made.json.text(pretty: true).write(to: plan, atomically: true, encoding: .utf8)
            #expect(try Plan(file: plan) == made)
            let followed = folder.appending(path: "followed")
            var job = Self.job(followed, families: ["quantized"], planFile: plan.path)
            // The plan's recovery is done where the job names none, and the job's where it does.
            job.recipe.recovery = nil
            _ = try job.run()
            let expected = try Self.contents(direct)["model.safetensors"]
            #expect(try Self.contents(followed)["model.safetensors"] == expected)
            (job.recipe.recovery, job.replacesOutput) = ([], true)
            _ = try job.run()
            #expect(try Self.contents(followed)["model.safetensors"] != expected)
        }
    }

    @Test func theFolderLoadsAndBecomesDenseAgain() throws {
        try Self.temporary { folder in
            let output = folder.appending(path: "small")
            let report = try Self.job(output).run()
            #expect(report.matrices.count == LoadedModelSites.count)
            #expect(report.matrices.filter { $0.reason == nil }.count == 2)
            // Everything on disk is accounted for but the header.
            let left = report.matrices.filter { $0.reason != nil }.reduce(0) { $0 + $1.sourceBytes }
            let header = report.fileBytesAfter - report.selectedBytes - report.untouchedBytes - left
            #expect(header > 0 && header < 10_000)
            #expect(report.selectedBytes <= report.selectedBytesInF16 * 2 / 5)
            let loaded = try LoadedModel.load(output.path)
            let tokens = loaded.tokenizer.encode("My fellow citizens, the work before us")
            let logits = try loaded.causal.logits(tokens, context: .serial)

            let source = try ModelFolder(path: output.path)
            let names = try source.configuration.structuredEntries()?.map(\.matrix) ?? []
            #expect(names.count == report.matrices.filter { $0.family != nil && $0.family != "dense" }.count)
            let dense = folder.appending(path: "dense")
            try RewrittenFolder(
                source: source, original: loaded,
                changes: ModelChanges(matrices: names.map { ($0, Dense(loaded.model[site: $0].dense())) }),
                destination: dense.path, replacing: false
            ).write()
            let again = try LoadedModel.load(dense.path)
            #expect(!again.configuration.isCompressed)
            let difference = try again.causal.logits(tokens, context: .serial) - logits
            #expect(difference.elements.allSatisfy { abs($0) < 1e-4 })

            #expect(throws: CompressionError.alreadyCompressed(folder: output.path)) {
                var job = Self.job(folder.appending(path: "twice"))
                job.model = output.path
                _ = try job.run()
            }
        }
    }

    private enum LoadedModelSites {
        /// 6 layers of 7 matrices and the embedding.
        static let count = 43
    }

    @Test func whatCannotBeDoneIsOneLineAndLeavesNothing() throws {
        try Self.temporary { folder in
            let output = folder.appending(path: "out")
            func line(_ job: CompressionJob) -> String {
                do {
                    _ = try job.run()
                    return "no error"
                } catch {
                    return "\(error)"
                }
            }
            #expect(line(Self.job(output, only: ["nothing*"]))
                == "pattern 'nothing*' matches no matrix of the model (see 'tessera inspect')")
            #expect(line(Self.job(output, families: ["magic"])).hasPrefix("unknown family 'magic', expected one of dense, "))
            #expect(
                line(Self.job(output, budget: Budget(quantity: .bytes, fraction: 0.01), families: ["quantized"]))
                    .hasPrefix("the budget of 3932 bytes cannot be met: the smallest these families reach is "))
            let empty = folder.appending(path: "empty.txt")
            try Data().write(to: empty)
            var job = Self.job(output)
            job.calibration = .file(empty.path)
            #expect(line(job) == "empty.txt: calibration text is empty")
            try Data([0xFF, 0xFE, 0x00]).write(to: empty)
            #expect(line(job) == "\(empty.path): calibration text is not UTF-8")
            try Data("Too short.".utf8).write(to: empty)
            #expect(line(job).hasPrefix("empty.txt: calibration text is too short: expected at least two windows of 256"))
            job.calibration = nil
            #expect(line(job).hasPrefix("calibration text is needed: "))
            #expect(!FileManager.default.fileExists(atPath: output.path))

            // A journal of another seed is refused, and nothing of it is lost.
            _ = try Self.job(output, families: ["quantized"], seed: 1).plan()
            #expect(line(Self.job(output, families: ["quantized"], seed: 2)).hasSuffix(
                "recipe or seed differs; remove the folder to start afresh"))
            #expect(FileManager.default.fileExists(atPath: output.path + ".journal/records.jsonl"))
        }
    }
}
