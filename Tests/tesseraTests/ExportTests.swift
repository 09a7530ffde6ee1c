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

    /// Two of six blocks go: the folder is a Llama of four, of the same function to the bit.
    @Test func droppedBlocksAreLeftOut() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
            let compressed = try CommandLineTool.run(
                "compress", Self.tiny, "--recipe", "block-drop", "--size", "70%", "--calibration",
                "Examples/calibration-sentences.txt", "-o", path("small"), "--quiet")
            try #require(compressed.status == 0, "\(compressed.errors)")
            let result = try CommandLineTool.run("export", path("small"), "--dense", "-o", path("dense"), "--json")
            try #require(result.status == 0, "\(result.errors)")
            let gone = try #require((try result.json as? [String: Any])?["blocks_left_out"] as? [Int])
            #expect(gone.count == 2)
            let data = try Data(contentsOf: folder.appendingPathComponent("dense/config.json"))
            let configuration = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            #expect(configuration["num_hidden_layers"] as? Int == 4)
            #expect(configuration["tessera"] == nil)
            let fidelity = try CommandLineTool.run(
                "eval", path("dense"), "--against", path("small"), "--text", "Examples/evaluation-prose.txt", "--json",
                "--quiet")
            #expect(try fidelity.number("figures", "kl_mean", "value") == 0)
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
