import Foundation
import Testing

/// Folders of recipes that change several matrices at once, through every command that opens a folder: measured, run,
/// compressed a second time, and written as ordinary folders or refused in words.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct SlicedFolderTests {
    private static let models = "Tests/TransformersTests/Resources/models/"
    /// A few of the sentences that ship: what is tested does not need more.
    private static let sentences: String = {
        let shipped = CommandLineTool.packageRoot.appendingPathComponent("Examples/calibration-sentences.txt")
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-sliced-folder-tests.txt")
        let lines = (try? String(contentsOf: shipped, encoding: .utf8))?.split(separator: "\n").prefix(24) ?? []
        try? Data(lines.joined(separator: "\n").utf8).write(to: file, options: .atomic)
        return file.path
    }()
    private static let opensOnlyHere = "so it opens only in Tessera"
    private static let otherSizes = "block 1 has other sizes than block 0, and config.json says them once for all"

    private static let normsRemain = "is empty but its LayerNorms remain, and an ordinary block has both parts"

    /// A recipe on a model, and what makes its folder no ordinary one; nil where it is one.
    struct Case: CustomTestStringConvertible, Sendable {
        let model, recipe: String
        var refusal: String?
        var testDescription: String { "\(recipe) of \(model)" }
    }

    static let cases = [
        Case(model: "llama", recipe: "slicegpt", refusal: opensOnlyHere),
        Case(model: "llama", recipe: "slicegpt-tied", refusal: opensOnlyHere),
        Case(model: "llama", recipe: "matryoshka-kv-uniform", refusal: opensOnlyHere),
        Case(model: "llama", recipe: "block-drop"),
        Case(model: "gpt2", recipe: "block-drop"),
        Case(model: "bert", recipe: "block-drop", refusal: normsRemain),
        Case(model: "llama", recipe: "magnitude-units"),
        Case(model: "bert", recipe: "slice-coordinates", refusal: opensOnlyHere),
        Case(model: "bert", recipe: "flap", refusal: otherSizes),
        Case(model: "bert", recipe: "modegpt-neurons"),
    ]

    private func run(_ arguments: [String]) throws -> CommandLineTool.Result {
        let result = try CommandLineTool.run(arguments)
        try #require(result.status == 0, "\(arguments.prefix(4)): \(result.errors)")
        return result
    }

    private func compress(_ model: String, _ options: [String], to output: String) throws -> CommandLineTool.Result {
        try run(["compress", model] + options + ["--calibration", Self.sentences, "-o", output, "--quiet"])
    }

    /// How far a model is from another: KL of a causal one, 1 - cosine of an encoder's embeddings.
    private func distance(_ model: String, from other: String) throws -> Double {
        let result = try run([
            "eval", model, "--against", other, "--text", Self.sentences, "--allow-overlap", "--activations", "f32", "--json",
            "--quiet",
        ])
        if let divergence = try result.number("figures", "kl_mean", "value") { return divergence }
        return 1 - (try #require(try result.number("figures", "mean_cosine", "value")))
    }

    @Test(arguments: cases) func everyCommandOpensIt(subject: Case) throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let model = Self.models + subject.model
            func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
            let size = subject.recipe == "block-drop" ? "60%" : "70%"
            _ = try compress(model, ["--recipe", subject.recipe, "--size", size], to: path("narrow"))
            #expect(try distance(path("narrow"), from: model) > 1e-9)
            let words = subject.model == "bert"
                ? ["embed", path("narrow"), "--input", Self.sentences]
                : ["run", path("narrow"), "--prompt", "The old", "--max-tokens", "4"]
            #expect(try !run(words + ["--quiet"]).output.isEmpty)

            // What remains is quantized; what the first recipe said of itself does not come along.
            _ = try compress(
                path("narrow"), ["--size", "60%", "--scope", "linear", "--families", "quantized"], to: path("both"))
            #expect(try distance(path("both"), from: path("narrow")) < 0.05)
            let files = try FileManager.default.contentsOfDirectory(atPath: path("both"))
            #expect(files.contains("plan.json") && !files.contains("recipe.yaml"))

            for (source, target) in [("narrow", "dense"), ("both", "dense-both")] {
                let exported = try CommandLineTool.run("export", path(source), "--dense", "-o", path(target), "--quiet")
                if let refusal = subject.refusal {
                    let start = "error: \(path(source)): cannot be an ordinary folder of the architecture '\(subject.model)': "
                    #expect(exported.errors.hasPrefix(start) && exported.errors.hasSuffix("\(refusal)\n"), "\(exported.errors)")
                    #expect(exported.status == 65 && !FileManager.default.fileExists(atPath: path(target)))
                } else {
                    #expect(exported.status == 0, "\(exported.errors)")
                    #expect(try !String(contentsOfFile: path(target) + "/config.json", encoding: .utf8).contains("tessera"))
                    #expect(try distance(path(target), from: path(source)) < 1e-6)
                }
            }
        }
    }

    /// Recovery looks at what outputs are added to, which a cut stream shows nowhere.
    @Test(arguments: ["llama", "bert"]) func recoveryOfACutModel(name: String) throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let (sliced, output) = (folder.appendingPathComponent("sliced").path, folder.appendingPathComponent("out").path)
            _ = try compress(Self.models + name, ["--recipe", "slicegpt", "--size", "70%"], to: sliced)
            let result = try compress(
                sliced, ["--size", "60%", "--scope", "linear", "--families", "quantized", "--recovery", "sequential,bias"],
                to: output)
            #expect(result.output.contains("recovery by sequential fitting: output distance "))
            #expect(try distance(output, from: sliced) < 0.05)
        }
    }

    /// Narrowing on the way passes by what it cannot change, and says so where it was asked for.
    @Test func headsWithDirectionsOfTheirOwnAreNotNarrowedAgain() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let (cached, output) = (folder.appendingPathComponent("cached").path, folder.appendingPathComponent("out").path)
            _ = try compress(Self.models + "llama", ["--recipe", "matryoshka-kv-uniform", "--size", "70%"], to: cached)
            let options = ["--macs", "75%", "--families", "low-rank"]
            #expect(try !compress(cached, options, to: output).output.contains("narrowed"))
            let refused = try CommandLineTool.run(
                ["compress", cached, "--rewrites", "85%", "--calibration", Self.sentences, "-o", output + "2", "--quiet"] + options)
            #expect(
                refused.errors == "error: rewrites change all matrices of a block together: its heads keep keys and values in "
                    + "directions of their own\n")
            let again = try CommandLineTool.run(
                "compress", cached, "--recipe", "flap", "--size", "80%", "--calibration", Self.sentences, "-o", output + "3", "--quiet")
            #expect(again.errors.hasSuffix("keys and values in directions of their own already, which no other rewrite changes\n"))
        }
    }

    /// What counts time tells the time that came out, and refuses what no width reaches.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["TESSERA_SLOW"] == "1", "slow: set TESSERA_SLOW=1"))
    func zipLMTellsItsTime() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let output = folder.appendingPathComponent("out").path
            let result = try compress(Self.models + "bert", ["--recipe", "ziplm", "--latency", "100%"], to: output)
            #expect(result.output.contains("a sentence takes ") && result.output.contains(" %); predicted were "))
            let report = try Data(contentsOf: URL(fileURLWithPath: output + "/report.json"))
            let json = try #require(try JSONSerialization.jsonObject(with: report) as? [String: Any])
            let time = try #require(json["time_over_dense"] as? [String: Any])
            let (predicted, measured) = (time["predicted"] as? Double, time["measured"] as? Double)
            #expect((predicted ?? 2) <= 1.0001 && (measured ?? 0) > 0)
            let refused = try CommandLineTool.run(
                "compress", Self.models + "bert", "--recipe", "ziplm", "--latency", "1%", "--calibration", Self.sentences, "-o",
                output + "2", "--quiet")
            #expect(refused.errors.hasPrefix("error: 1.0 % of the time cannot be reached: the least that units leave is "))
        }
    }

    /// True sizes are stated, a killed run leaves nothing that is in the way of the next, and the bytes are the same.
    @Test func sliceGPTFromEndToEnd() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            func arguments(_ name: String, threads: Int) -> [String] {
                [
                    "compress", CommandLineTool.tinyLlama, "--recipe", "slicegpt", "--size", "70%", "--calibration", Self.sentences,
                    "--threads", "\(threads)", "-o", folder.appendingPathComponent(name).path, "--quiet",
                ]
            }
            func files(_ name: String) throws -> [String: Data] { try SweepCommandTests.files(folder.appendingPathComponent(name)) }
            let start = Date()
            let result = try run(arguments("whole", threads: 2))
            let whole = try files("whole")
            #expect(result.output.contains(" of the weight file's bytes\n"))
            let json = try #require(whole["report.json"])
            let report = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
            let bytes = try #require(report["file_bytes"] as? [Int])
            #expect(bytes[1] == whole["model.safetensors"]?.count)
            let touched = try #require(report["touched_parameters"] as? [Int])
            #expect(touched[1] * 10 <= touched[0] * 7 && bytes[1] * 100 < bytes[0] * 71)

            var delay = Date().timeIntervalSince(start) / 2
            while try !CommandLineTool.runKilled(arguments("killed", threads: 1), after: delay) {
                try #require(delay > 0.01, "no run could be killed")
                try? FileManager.default.removeItem(at: folder.appendingPathComponent("killed"))
                delay /= 2
            }
            #expect(!FileManager.default.fileExists(atPath: folder.appendingPathComponent("killed").path))
            _ = try run(arguments("killed", threads: 1))
            #expect(try files("killed") == whole)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["killed", "whole"])
            let quality = try run([
                "eval", folder.appendingPathComponent("whole").path, "--against", CommandLineTool.tinyLlama, "--text",
                "Examples/evaluation-sentences.txt", "--json", "--quiet",
            ])
            let divergence = try #require(try quality.number("figures", "kl_mean", "value"))
            #expect(divergence > 0.01 && divergence < 10)
        }
    }
}
