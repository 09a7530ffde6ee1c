import Foundation
import Testing

/// A model compressed by the program, seen through the other commands.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct CompressedModelTests {
    static let tiny = CommandLineTool.tinyLlama

    @Test func whatCompressWritesTheOthersRead() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let small = folder.appendingPathComponent("small").path
            let dense = folder.appendingPathComponent("dense").path
            let compressed = try CommandLineTool.run(
                "compress", Self.tiny, "--size", "40%", "--families", "low-rank,quantized", "--only",
                "*layers.0.self_attn*", "--objective", "frobenius", "--calibration", "Examples/calibration-prose.txt",
                "-o", small, "--quiet")
            #expect(compressed.errors.isEmpty)
            try #require(compressed.status == 0)

            let inspected = try CommandLineTool.run("inspect", small, "--only", "*layers.0.self_attn*", "--json", "--quiet")
            let document = try #require(try inspected.json as? [String: Any])
            let matrices = try #require(document["matrices"] as? [[String: Any]])
            #expect(matrices.count == 4)
            let bytes = matrices.reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) }
            let count = matrices.reduce(0) { sum, matrix in
                let shape = matrix["shape"] as? [Int] ?? []
                return sum + 2 * shape.reduce(1, *)
            }
            #expect(Double(bytes) <= 0.4 * Double(count))
            #expect(matrices.contains { $0["family"] as? String != "dense" && $0["advice"] as? String == "compressed already" })

            let exported = try CommandLineTool.run("export", small, "--dense", "-o", dense, "--json", "--quiet")
            let multiplied = matrices.count { $0["family"] as? String != "dense" }
            #expect(try exported.number("matrices_multiplied_out") == Double(multiplied))
            let names = try FileManager.default.contentsOfDirectory(atPath: dense)
            #expect(!names.contains("report.json") && !names.contains("plan.json"))
            // Rounded activations differ between a quantized matrix and the same numbers multiplied out.
            let same = try CommandLineTool.run(
                "eval", dense, "--against", small, "--text", "Examples/evaluation-prose.txt", "--activations", "f32",
                "--json", "--quiet")
            #expect(try #require(try same.number("figures", "kl_mean", "value")) < 1e-7)
            let changed = try CommandLineTool.run(
                "eval", small, "--against", Self.tiny, "--text", "Examples/evaluation-prose.txt", "--json", "--quiet")
            #expect(try #require(try changed.number("figures", "kl_mean", "value")) > 1e-5)

            let again = try CommandLineTool.run("compress", small, "--size", "50%", "--calibration", "self", "-o", dense + "2")
            #expect(
                again.errors.hasSuffix(
                    "error: \(small): is already compressed; 'tessera export --dense' makes it an ordinary model again\n"))
        }
    }
}
