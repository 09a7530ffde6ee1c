import Compression
import Foundation
import ModelFiles
import Tensors
import Testing

/// Recipes that narrow coupled matrices, stopped and started again.
@Suite struct RewriteJournalTests {
    /// One of each way to narrow, but for those that count time.
    @Test(arguments: [
        "flap", "modegpt", "obspa", "nirvana", "narrow", "block-drop", "slice", "slicegpt", "factor-llm", "experts",
    ])
    func aRecipeThatWasStoppedGoesOn(name: String) throws {
        try SmallEncoder.with { folder, model, _ in
            try goesOn(name, share: name == "block-drop" ? 0.5 : 0.75, folder: folder, model: model)
        }
    }

    @Test func narrowedCachesGoOn() throws {
        try CompressionJobTests.temporary { folder in
            let prose = try String(contentsOfFile: CompressionJobTests.prose, encoding: .utf8)
            try goesOn(
                "matryoshka-kv-uniform", share: 0.5, folder: folder, model: CompressionJobTests.model,
                text: String(prose.prefix(4000)))
        }
    }

    /// Times differ from run to run, so that the bytes of a run that went on can be compared with nothing. Whether the time asked
    /// for can be reached on this machine does not matter.
    @Test func whatWasTimedIsNotTimedAgain() throws {
        try SmallEncoder.with { folder, model, _ in
            let output = folder.appending(path: "out")
            let job = try job("ziplm", 0.9, model, output, text: Self.sentences)
            let before = try stopped(job, output)
            #expect(before.records.contains("time of"))
            let again = try stopped(job, output)
            #expect(again.files == before.files && again.records == before.records)
        }
    }

    private static let sentences = (0..<24).map { "token \($0) sits and \($0 * 7 % 11) runs" }.joined(separator: "\n")

    private func goesOn(
        _ name: String, share: Double, folder: URL, model: String, text: String = sentences
    ) throws {
        let whole = folder.appending(path: "whole")
        _ = try job(name, share, model, whole, text: text).run()
        let expected = try CompressionJobTests.contents(whole)
        #expect(!FileManager.default.fileExists(atPath: whole.path + ".journal"))

        let output = folder.appending(path: "out")
        let job = try job(name, share, model, output, text: text)
        let before = try stopped(job, output)
        #expect(!before.files.isEmpty || !before.records.isEmpty)
        // What was kept is not made again.
        let again = try stopped(job, output)
        #expect(again.files == before.files && again.records == before.records)

        // Killed in the midst of it: half of the pieces are there, and half a line.
        let journal = URL(filePath: output.path + ".journal")
        for (index, file) in before.files.keys.sorted().enumerated() where index % 2 == 1 {
            try FileManager.default.removeItem(at: journal.appending(path: "tensors/\(file)"))
        }
        try Data(before.records.utf8.prefix(before.records.utf8.count / 2)).write(to: journal.appending(path: "records.jsonl"))
        _ = try job.run()
        #expect(try CompressionJobTests.contents(output) == expected)
        #expect(!FileManager.default.fileExists(atPath: journal.path))
    }

    private func job(
        _ name: String, _ share: Double, _ model: String, _ output: URL, text: String
    ) throws -> RewriteJob {
        let file = output.deletingLastPathComponent().appending(path: "text.txt")
        try Data(text.utf8).write(to: file)
        return RewriteJob(
            model: model, output: output.path, recipe: try #require(try RewriteRecipes.recipe(name)).sized(share),
            calibration: .file(file.path), context: ExecutionContext(threads: 2))
    }

    /// What a run leaves in the journal that cannot write its output at the end: its files, by name, with their numbers in the
    /// file system, and its records.
    private func stopped(_ job: RewriteJob, _ output: URL) throws -> (files: [String: Int], records: String) {
        var job = job
        job.progress = { step in
            if step.done == step.total { _ = FileManager.default.createFile(atPath: output.path, contents: Data()) }
        }
        #expect(throws: (any Error).self) { _ = try job.run() }
        try? FileManager.default.removeItem(at: output)
        let journal = URL(filePath: output.path + ".journal")
        let tensors = journal.appending(path: "tensors").path
        var files: [String: Int] = [:]
        for file in try FileManager.default.contentsOfDirectory(atPath: tensors) {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(tensors)/\(file)")
            files[file] = try #require(attributes[.systemFileNumber] as? Int)
        }
        return (files, try String(contentsOf: journal.appending(path: "records.jsonl"), encoding: .utf8))
    }
}
