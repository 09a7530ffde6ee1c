import Foundation
import Testing

/// Python with the `transformers` library; TESSERA_PYTHON names another interpreter than python3.
private enum TransformersLibrary {
    static let python = ProcessInfo.processInfo.environment["TESSERA_PYTHON"] ?? "python3"
    static let skipReason = "Hugging Face transformers and torch are not installed for \(python) (TESSERA_PYTHON names another)"
    static let isInstalled = (try? run(["-c", "import torch, transformers"]))?.status == 0

    static func run(_ arguments: [String], input: String = "") throws -> (status: Int32, output: String) {
        try CommandLineTool.withTemporaryFolder { folder in
            let (source, target) = (folder.appendingPathComponent("in"), folder.appendingPathComponent("out"))
            try Data(input.utf8).write(to: source)
            try Data().write(to: target)
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [python] + arguments
            process.standardInput = try FileHandle(forReadingFrom: source)
            process.standardOutput = try FileHandle(forWritingTo: target)
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: try Data(contentsOf: target), as: UTF8.self))
        }
    }
}

@Suite(
    .enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"),
    .enabled(if: CommandLineTool.miniLM != nil, "\(CommandLineTool.miniLMSkipReason)"),
    .enabled(if: TransformersLibrary.isInstalled, "\(TransformersLibrary.skipReason)"))
struct TransformersLibraryTests {
    /// A compressed encoder, written dense, gives transformers the embeddings that the compressed one gives here.
    @Test func exportedEncodersEmbedTheSame() throws {
        let model = try #require(CommandLineTool.miniLM)
        let lines = "This is an example sentence.\nA cat sat on the mat, and no one minded.\nPrices rose by 3.5 % in May.\n"
        try CommandLineTool.withTemporaryFolder { folder in
            let small = folder.appendingPathComponent("small").path
            let dense = folder.appendingPathComponent("dense").path
            let compressed = try CommandLineTool.run(
                "compress", model, "--size", "30%", "--families", "low-rank,quantized", "--only", "*layer.0*", "--objective",
                "frobenius", "--calibration", "Examples/calibration-sentences.txt", "-o", small, "--quiet")
            try #require(compressed.status == 0, "\(compressed.errors)")
            let exported = try CommandLineTool.run("export", small, "--dense", "-o", dense, "--quiet")
            try #require(exported.status == 0, "\(exported.errors)")

            let ours = try Self.vectors(try CommandLineTool.run("embed", small, input: lines).output)
            let script = try #require(
                Bundle.module.url(forResource: "embed_with_transformers", withExtension: "py", subdirectory: "Resources"))
            let theirs = try Self.vectors(try TransformersLibrary.run([script.path, dense], input: lines).output)
            #expect(ours.count == 3 && theirs.count == 3)
            for (left, right) in zip(ours, theirs) {
                #expect(left.count == right.count)
                #expect(zip(left, right).allSatisfy { abs($0 - $1) < 1e-4 })
            }
            // The original is further away: the comparison means something.
            let original = try Self.vectors(try CommandLineTool.run("embed", model, input: lines).output)
            #expect(zip(ours[0], original[0]).contains { abs($0 - $1) > 1e-3 })
        }
    }

    private static func vectors(_ text: String) throws -> [[Double]] {
        try text.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [Double])
        }
    }
}
