import Foundation
import Testing

@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct ExportTests {
    static let tiny = CommandLineTool.tinyLlama

    @Test func anOrdinaryModelStaysTheSame() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let output = folder.appendingPathComponent("dense").path
            let result = try CommandLineTool.run("export", Self.tiny, "--dense", "-o", output, "--quiet")
            #expect(result.status == 0)
            #expect(result.output.hasPrefix("\(output): 0 matrices multiplied out, "))
            #expect(result.output.hasSuffix(" bytes of weights in f32\n"))
            let fidelity = try CommandLineTool.run(
                "eval", output, "--against", Self.tiny, "--text", "Examples/evaluation-prose.txt", "--json", "--quiet")
            #expect(try fidelity.number("figures", "kl_mean", "value") == 0)

            let configuration = try #require(
                try JSONSerialization.jsonObject(
                    with: Data(contentsOf: URL(fileURLWithPath: output + "/config.json"))) as? [String: Any])
            #expect(configuration["dtype"] as? String == "float32")
            #expect(configuration["tessera"] == nil)
            for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
                let original = CommandLineTool.packageRoot.appendingPathComponent(Self.tiny).appendingPathComponent(name)
                #expect(try Data(contentsOf: original) == Data(contentsOf: URL(fileURLWithPath: output + "/" + name)))
            }
        }
    }

    @Test func halfPrecisionIsTheOriginalsOwn() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let output = folder.appendingPathComponent("dense").path
            let result = try CommandLineTool.run(
                "export", Self.tiny, "--dense", "-o", output, "--precision", "f16", "--json", "--quiet")
            let original = CommandLineTool.packageRoot.appendingPathComponent(Self.tiny + "/model.safetensors").path
            let bytes = try #require(try result.number("weight_file_bytes"))
            let size = try #require(try FileManager.default.attributesOfItem(atPath: original)[.size] as? NSNumber)
            #expect(abs(bytes - size.doubleValue) < 1000)
        }
    }

    @Test func anExistingFolderIsReplacedOnlyByForce() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let output = folder.appendingPathComponent("dense")
            try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
            let keep = output.appendingPathComponent("keep.txt")
            try Data("mine".utf8).write(to: keep)
            let refused = try CommandLineTool.run("export", Self.tiny, "--dense", "-o", output.path, "--quiet")
            #expect(refused.status == 73)
            #expect(refused.errors.hasSuffix("dense: exists and is not empty (--force replaces it)\n"))
            #expect(FileManager.default.fileExists(atPath: keep.path))
            let forced = try CommandLineTool.run("export", Self.tiny, "--dense", "-o", output.path, "--force", "--quiet")
            #expect(forced.status == 0)
            #expect(!FileManager.default.fileExists(atPath: keep.path))
            // Nothing temporary is left beside it.
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["dense"])
        }
    }
}
