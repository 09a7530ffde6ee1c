import Foundation
import Testing

/// Compression shared by the processes of one `mpirun` on this machine: the same bytes for any number of them.
@Suite(
    .serialized, .enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"),
    .enabled(if: CommandLineTool.launcher != nil, "mpirun is not there: apt-get install openmpi-bin libopenmpi-dev"))
struct SeveralProcessesTests {
    private static func arguments(_ output: URL, calibration: String = "Examples/calibration-prose.txt") -> [String] {
        [
            "compress", CommandLineTool.tinyLlama, "--size", "30%", "--families", "quantized,low-rank,monarch",
            "--only", "model.layers.0.*", "--calibration", calibration, "--threads", "1", "--quiet", "-o", output.path,
        ]
    }

    private static func run(_ arguments: [String], ranks: Int) throws -> CommandLineTool.Result {
        guard ranks > 1, let launcher = CommandLineTool.launcher else { return try CommandLineTool.run(arguments) }
        return try CommandLineTool.run(
            arguments, under: [launcher, "-n", "\(ranks)", "--allow-run-as-root", "--oversubscribe"])
    }

    private static func files(_ folder: URL) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
            files[path] = try Data(contentsOf: folder.appendingPathComponent(path))
        }
        return files
    }

    @Test func anyNumberOfRanksGivesTheSameBytes() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            var expected: [String: Data]?
            for ranks in 1...3 {
                let output = folder.appendingPathComponent("ranks-\(ranks)/out")
                try FileManager.default.createDirectory(
                    at: output.deletingLastPathComponent(), withIntermediateDirectories: true)
                let result = try Self.run(Self.arguments(output), ranks: ranks)
                try #require(result.status == 0, "\(ranks) ranks: \(result.errors)")
                #expect(result.output.components(separatedBy: "report: ").count == 2, "only rank 0 prints")
                let files = try Self.files(output)
                #expect(files.count > 4)
                if let expected { #expect(files == expected, "\(ranks) ranks") } else { expected = files }
                let left = try FileManager.default.contentsOfDirectory(atPath: output.deletingLastPathComponent().path)
                #expect(left.sorted() == ["out", "out.timings.json"])
            }
        }
    }

    @Test func oneErrorEndsAllRanks() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let empty = folder.appendingPathComponent("empty.txt")
            try Data().write(to: empty)
            let output = folder.appendingPathComponent("out")
            let result = try Self.run(Self.arguments(output, calibration: empty.path), ranks: 3)
            #expect(result.status != 0)
            let lines = result.errors.split(separator: "\n").filter { $0.hasPrefix("error: ") }
            #expect(lines == ["error: empty.txt: calibration text is empty"])
            #expect(!FileManager.default.fileExists(atPath: output.path))
        }
    }

    /// What goes wrong on one rank alone is told by the others too.
    @Test func ranksOfDifferentJobsAreRefused() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let output = folder.appendingPathComponent("out")
            guard let launcher = CommandLineTool.launcher else { return }
            let second = Self.arguments(output) + ["--seed", "5"]
            let result = try CommandLineTool.run(
                Self.arguments(output), under: [launcher, "--allow-run-as-root", "--oversubscribe", "-n", "1"],
                and: [":", "-n", "1"], second)
            #expect(result.status != 0)
            let lines = result.errors.split(separator: "\n").filter { $0.hasPrefix("error: ") }
            #expect(
                lines == ["error: rank 1: rank 1 was started on something else: recipe or seed differs from rank 0's"])
        }
    }

    @Test func aBudgetInTimeIsRefused() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let result = try Self.run(
                [
                    "compress", CommandLineTool.tinyLlama, "--latency", "60%", "--calibration", "self", "-o",
                    folder.appendingPathComponent("out").path,
                ], ranks: 2)
            #expect(result.status != 0)
            let lines = result.errors.split(separator: "\n").filter { $0.hasPrefix("error: ") }
            #expect(lines == ["error: a budget in time is measured on one machine: run without mpirun"])
        }
    }
}
