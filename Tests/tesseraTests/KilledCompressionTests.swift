import Foundation
import Tensors
import Testing

/// A compression that was killed continues when it is started again, and ends with the same bytes; so does one with
/// another number of threads. Runs with `TESSERA_SLOW=1`, about two minutes.
@Suite(
    .serialized, .enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"),
    .enabled(if: ProcessInfo.processInfo.environment["TESSERA_SLOW"] == "1", "slow: set TESSERA_SLOW=1"))
struct KilledCompressionTests {
    /// Four matrices with quick and slow families: journal lines, journaled tensors and the output folder all take part.
    private static func arguments(_ output: URL, threads: Int) -> [String] {
        [
            "compress", CommandLineTool.tinyLlama, "--macs", "50%", "--only", "model.layers.0.self_attn.*",
            "--calibration", "Examples/calibration-prose.txt", "--threads", "\(threads)", "--quiet", "-o", output.path,
        ]
    }

    /// Every file below a folder by its relative path.
    private static func files(_ folder: URL) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
            let file = folder.appendingPathComponent(path)
            if try file.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true {
                files[path] = try Data(contentsOf: file)
            }
        }
        return files
    }

    private static func expectSame(_ files: [String: Data], _ expected: [String: Data], _ situation: String) {
        #expect(files.keys.sorted() == expected.keys.sorted(), "\(situation)")
        for (path, bytes) in expected { #expect(files[path] == bytes, "\(path), \(situation)") }
    }

    @Test func anyNumberOfThreadsGivesTheSameBytes() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let outputs = try [1, 2].map { threads in
                let output = folder.appendingPathComponent("threads-\(threads)/out")
                try FileManager.default.createDirectory(
                    at: output.deletingLastPathComponent(), withIntermediateDirectories: true)
                let result = try CommandLineTool.run(Self.arguments(output, threads: threads))
                try #require(result.status == 0, "\(result.errors)")
                return try Self.files(output)
            }
            #expect(outputs[0].count > 4)
            Self.expectSame(outputs[1], outputs[0], "2 threads against 1")
        }
    }

    @Test func killedAtTwentyMomentsItEndsWithTheSameBytes() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let whole = folder.appendingPathComponent("whole")
            let start = Date()
            let result = try CommandLineTool.run(Self.arguments(whole, threads: 2))
            let duration = Date().timeIntervalSince(start)
            try #require(result.status == 0, "\(result.errors)")
            let expected = try Self.files(whole)

            var random = SeededGenerator(seed: 20)
            var leftJournal = 0
            for moment in 0..<20 {
                let output = folder.appendingPathComponent("killed-\(moment)")
                // One moment in every twentieth of the run, so that every stage is hit; where the machine has become
                // faster and the run ended before its moment, an earlier one.
                var delay = duration * (Double(moment) + Double.random(in: 0..<1, using: &random)) / 20
                while try !CommandLineTool.runKilled(Self.arguments(output, threads: 2), after: delay) {
                    try #require(delay > 0.01, "no run could be killed")
                    try? FileManager.default.removeItem(at: output)
                    delay *= 0.8
                }
                leftJournal += FileManager.default.fileExists(atPath: output.path + ".journal") ? 1 : 0
                if !FileManager.default.fileExists(atPath: output.path) {
                    let resumed = try CommandLineTool.run(Self.arguments(output, threads: 2))
                    try #require(resumed.status == 0, "killed after \(delay) s: \(resumed.errors)")
                }
                Self.expectSame(try Self.files(output), expected, "killed after \(delay) of \(duration) s")
                #expect(!FileManager.default.fileExists(atPath: output.path + ".journal"))
                try FileManager.default.removeItem(at: output)
            }
            // Nothing half-written remains beside the outputs.
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(left.allSatisfy { $0 == "whole" || $0.hasSuffix(".timings.json") }, "\(left)")
            #expect(leftJournal >= 10, "\(leftJournal) of 20 had journaled something")
            print("uninterrupted \(duration) s; killed 20 times, \(leftJournal) with a journal; all identical")
        }
    }
}
