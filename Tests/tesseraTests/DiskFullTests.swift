import Foundation
import Testing

/// A disk that fills up while the output is written, by a limit on the size of the files of the child process and, where the
/// tests may mount one, by a file system that is too small.
@Suite(.serialized, .enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct DiskFullTests {
    private static func compression(_ output: String) -> [String] {
        [
            "compress", CommandLineTool.tinyLlama, "--size", "25%", "--scope", "linear", "--only", "model.layers.0.self_attn.*",
            "--families", "quantized", "--calibration", "Examples/calibration-prose.txt", "--threads", "2", "--quiet", "-o", output,
        ]
    }

    /// Runs the program with no file of it longer than so many KiB.
    private static func run(_ arguments: [String], fileLimit kibibytes: Int) throws -> CommandLineTool.Result {
        try CommandLineTool.run(arguments, under: ["/bin/bash", "-c", "ulimit -f \(kibibytes) && exec \"$0\" \"$@\""])
    }

    @Test(arguments: [
        // The weights are 24 MB, the journal's largest file 2 MB, its records some kB.
        (20_000, "model.safetensors: cannot be written: File too large"),
        (500, ".safetensors: cannot be written: File too large"), (0, "cannot be written: File too large"),
    ])
    func aLimitOnFilesIsAnErrorAndLeavesNothing(kibibytes: Int, line: String) throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let output = folder.appendingPathComponent("out").path
            let result = try Self.run(Self.compression(output), fileLimit: kibibytes)
            #expect(result.status == 73, "\(result.errors)")
            #expect(result.output.isEmpty)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            // What is left is the journal, from which the same command goes on.
            #expect(left.isEmpty || left == ["out.journal"], "\(left)")
            guard kibibytes > 0 else { return }
            // Without room for a file, standard error is one that has none.
            #expect(result.errors.hasPrefix("error: ") && result.errors.hasSuffix(line + "\n"), "\(result.errors)")
            #expect(result.errors.split(separator: "\n").count == 1)
            let resumed = try CommandLineTool.run(Self.compression(output))
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).contains("out"))
        }
    }

    @Test func aSweepLeavesNothingEither() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let output = folder.appendingPathComponent("sweep")
            let result = try Self.run(SweepCommandTests.arguments(output), fileLimit: 500)
            #expect(result.status == 73 && result.output.isEmpty)
            #expect(result.errors.hasSuffix("cannot be written: File too large\n"), "\(result.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["sweep.journal"])
        }
    }

    @Test func aFullFileSystemIsAnErrorAndLeavesNothing() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let small = folder.appendingPathComponent("small").path
            try FileManager.default.createDirectory(atPath: small, withIntermediateDirectories: true)
            func system(_ arguments: String...) throws -> Int32 {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                process.arguments = arguments
                process.standardError = FileHandle.nullDevice
                try process.run()
                process.waitUntilExit()
                return process.terminationStatus
            }
            // Only who may mount can try this; the limits above stand for it elsewhere.
            guard try system("mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", small) == 0 else { return }
            defer { _ = try? system("umount", small) }
            let early = try CommandLineTool.run(Self.compression(small + "/out"))
            #expect(early.status == 73 && early.errors.contains("bytes"), "\(early.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: small).isEmpty)
            // A sweep asks for little room, and runs out of it in its journal.
            let late = try CommandLineTool.run(SweepCommandTests.arguments(URL(fileURLWithPath: small + "/sweep")))
            #expect(late.status == 73, "\(late.errors)")
            #expect(late.errors.hasSuffix("cannot be written: No space left on device\n"), "\(late.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: small) == ["sweep.journal"])
        }
    }
}
