import Foundation
import Testing

/// Every architecture through the program: inspected, compressed with integers and factors, measured, run, written dense
/// again.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct ArchitectureCommandTests {
    private static let models = "Tests/TransformersTests/Resources/models/"
    private static let causal = ["gpt2", "gpt2-untied", "llama", "mistral", "opt", "opt-projected", "qwen2", "qwen3"]
    private static let encoders = ["bert", "distilbert", "roberta"]

    private func compressed(_ name: String, calibration: String, in folder: URL) throws -> (small: String, dense: String) {
        let model = Self.models + name
        let (small, dense) = (folder.appendingPathComponent("small").path, folder.appendingPathComponent("dense").path)
        let made = try CommandLineTool.run(
            "compress", model, "--size", "60%", "--scope", "linear", "--families", "low-rank,quantized", "--calibration", calibration, "-o",
            small, "--quiet")
        try #require(made.status == 0, "\(made.errors)")
        let inspected = try CommandLineTool.run("inspect", small, "--json", "--quiet")
        try #require(inspected.status == 0, "\(inspected.errors)")
        let matrices = try #require((try inspected.json as? [String: Any])?["matrices"] as? [[String: Any]])
        let families = Set(matrices.compactMap { $0["family"] as? String })
        #expect(families.contains("quantized") || families.contains("low-rank"))
        let original = try CommandLineTool.run("inspect", model, "--json", "--quiet")
        let all = try #require((try original.json as? [String: Any])?["matrices"] as? [[String: Any]])
        #expect(all.compactMap { $0["name"] as? String } == matrices.compactMap { $0["name"] as? String })
        let linear = all.filter { $0["role"] as? String == "linear" }
        let numbers = linear.reduce(0) { $0 + (($1["shape"] as? [Int])?.reduce(1, *) ?? 0) }
        let bytes = matrices.filter { $0["role"] as? String == "linear" }.reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) }
        #expect(Double(bytes) <= 0.6 * 2 * Double(numbers) + 1)
        let exported = try CommandLineTool.run("export", small, "--dense", "-o", dense, "--quiet")
        try #require(exported.status == 0, "\(exported.errors)")
        // The folder is an ordinary one: the same tensors as before, in the same shapes, and no section of ours.
        #expect(try Self.shapes(dense) == Self.shapes(CommandLineTool.packageRoot.appendingPathComponent(model).path))
        let configuration = try String(contentsOfFile: dense + "/config.json", encoding: .utf8)
        #expect(!configuration.contains("tessera"))
        return (small, dense)
    }

    /// Names and shapes of all tensors of a folder.
    private static func shapes(_ folder: String) throws -> [String: [Int]] {
        var result: [String: [Int]] = [:]
        for file in try FileManager.default.contentsOfDirectory(atPath: folder) where file.hasSuffix(".safetensors") {
            let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file))
            let length = data.prefix(8).enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
            let header = try JSONSerialization.jsonObject(with: data.subdata(in: 8..<8 + length)) as? [String: Any]
            for (name, entry) in header ?? [:] where name != "__metadata__" {
                result[name] = (entry as? [String: Any])?["shape"] as? [Int]
            }
        }
        return result
    }

    @Test(arguments: causal) func causalModels(name: String) throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let (small, dense) = try compressed(name, calibration: "Examples/calibration-prose.txt", in: folder)
            let text = folder.appendingPathComponent("text").path
            try Data("The baker counted coins at the market while rain fell on every roof of the old town.\n".utf8)
                .write(to: URL(fileURLWithPath: text))
            let same = try CommandLineTool.run(
                "eval", dense, "--against", small, "--text", text, "--activations", "f32", "--json", "--quiet")
            #expect(try #require(try same.number("figures", "kl_mean", "value")) < 1e-6, "\(same.errors)")
            let changed = try CommandLineTool.run(
                "eval", small, "--against", Self.models + name, "--text", text, "--json", "--quiet")
            #expect(try #require(try changed.number("figures", "kl_mean", "value")) > 1e-6)
            let perplexity = try CommandLineTool.run("eval", small, "--text", text, "--json", "--quiet")
            #expect(try #require(try perplexity.number("figures", "perplexity", "value")) > 1)
            func run(_ model: String) throws -> String {
                let result = try CommandLineTool.run(
                    "run", model, "--prompt", "The old", "--max-tokens", "6", "--activations", "f32", "--quiet")
                #expect(result.status == 0, "\(result.errors)")
                return result.output
            }
            #expect(try run(small) == run(dense))
        }
    }

    private func vectors(_ result: CommandLineTool.Result) throws -> [[Double]] {
        #expect(result.status == 0, "\(result.errors)")
        return try result.output.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [Double])
        }
    }

    private func expectNear(_ left: [[Double]], _ right: [[Double]], _ tolerance: Double) {
        #expect(left.count == right.count && !left.isEmpty)
        for (a, b) in zip(left, right) { #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < tolerance }) }
    }

    @Test(arguments: encoders) func encoderModels(name: String) throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let (small, dense) = try compressed(name, calibration: "Examples/calibration-sentences.txt", in: folder)
            let lines = "This is an example.\nA cat sat on the mat.\nPrices rose by 3.5 % in May.\n"
            func embed(_ model: String) throws -> [[Double]] {
                try vectors(CommandLineTool.run("embed", model, "--activations", "f32", input: lines))
            }
            expectNear(try embed(small), try embed(dense), 1e-4)
            let fidelity = try CommandLineTool.run(
                "eval", small, "--against", Self.models + name, "--text", "Examples/evaluation-sentences.txt", "--json",
                "--quiet")
            let cosine = try #require(try fidelity.number("figures", "mean_cosine", "value"))
            #expect(cosine > 0.5 && cosine < 0.999999)
        }
    }

    @Test func imageModels() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let images = Self.models + "vit/images.npy"
            let (small, dense) = try compressed("vit", calibration: images, in: folder)
            func embed(_ model: String) throws -> [[Double]] {
                try vectors(CommandLineTool.run("embed", model, "--input", images, "--activations", "f32"))
            }
            let compressed = try embed(small)
            expectNear(compressed, try embed(dense), 1e-4)
            #expect(compressed.count == 24)
            // Where weights are read from files, images are there too.
            let scarce = folder.appendingPathComponent("scarce").path
            let made = try CommandLineTool.run(
                "compress", Self.models + "vit", "--size", "60%", "--scope", "linear", "--families", "low-rank,quantized",
                "--calibration", images, "-o", scarce, "--memory", "100M", "--quiet")
            try #require(made.status == 0, "\(made.errors)")
            #expect(
                try Data(contentsOf: URL(fileURLWithPath: scarce + "/model.safetensors"))
                    == Data(contentsOf: URL(fileURLWithPath: small + "/model.safetensors")))
            let fidelity = try CommandLineTool.run(
                "eval", small, "--against", Self.models + "vit", "--text", images, "--json", "--quiet")
            let cosine = try #require(try fidelity.number("figures", "mean_cosine", "value"), "\(fidelity.errors)")
            #expect(cosine > 0.5 && cosine < 0.999999)
        }
    }

    /// Recovery walks through the blocks of any architecture.
    @Test(arguments: ["vit", "opt-projected"]) func recoveryWalksThroughBlocks(name: String) throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let output = folder.appendingPathComponent("small").path
            let made = try CommandLineTool.run(
                "compress", Self.models + name, "--size", "60%", "--scope", "linear", "--families", "quantized",
                "--recovery", "sequential,norms", "--calibration",
                name == "vit" ? Self.models + "vit/images.npy" : "Examples/calibration-prose.txt", "-o", output, "--quiet")
            try #require(made.status == 0, "\(made.errors)")
            for step in ["sequential fitting", "norm tuning"] {
                #expect(made.output.contains("recovery by \(step): output distance "))
            }
        }
    }

    @Test func imagesAreAskedFor() throws {
        let none = try CommandLineTool.run("embed", Self.models + "vit", input: "a text\n")
        #expect(none.errors == "error: --input: a model of images needs a .npy file\n")
        let own = try CommandLineTool.run(
            "compress", Self.models + "vit", "--size", "50%", "--scope", "linear", "--calibration", "self", "-o", "/tmp/none-\(UUID().uuidString)",
            "--quiet")
        #expect(
            own.errors.hasSuffix(
                "error: calibration text is needed: a model of images needs some: --calibration FILE.npy (--calibration FILE or --calibration self)\n"))
        let text = try CommandLineTool.run("embed", Self.models + "vit", "--input", "Examples/evaluation-prose.txt")
        #expect(text.errors.hasSuffix("evaluation-prose.txt: not a NumPy array: expected the bytes 93 'NUMPY' at its start\n"))
    }
}
