import Foundation
import Testing

/// Sweeps as a user runs them, over two matrices of the language model that ships.
@Suite(.serialized, .enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct SweepCommandTests {
    static func arguments(_ output: URL, sizes: String = "50%,25%", more: [String] = []) -> [String] {
        [
            "sweep", CommandLineTool.tinyLlama, "--sizes", sizes, "--scope", "linear", "--only", "model.layers.0.self_attn.*",
            "--timed", "none",
            "--calibration", "Examples/calibration-prose.txt", "--fronts", "low-rank,quantized", "--threads", "2", "--quiet",
            "-o", output.path,
        ] + more
    }

    static func files(_ folder: URL) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            files[name] = try Data(contentsOf: folder.appendingPathComponent(name))
        }
        return files
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["TESSERA_SLOW"] == "1", "slow: set TESSERA_SLOW=1"))
    func killedAndResumedItEndsWithTheSameBytes() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let whole = folder.appendingPathComponent("whole")
            let start = Date()
            let result = try CommandLineTool.run(Self.arguments(whole))
            let duration = Date().timeIntervalSince(start)
            try #require(result.status == 0, "\(result.errors)")
            let expected = try Self.files(whole)
            #expect(expected.keys.sorted() == ["plan-25.json", "plan-50.json", "sweep.html", "sweep.json"])
            for (index, share) in [0.25, 0.55, 0.85].enumerated() {
                let output = folder.appendingPathComponent("killed-\(index)")
                var delay = share * duration
                while try !CommandLineTool.runKilled(Self.arguments(output), after: delay) {
                    try #require(delay > 0.01, "no run could be killed")
                    try? FileManager.default.removeItem(at: output)
                    delay *= 0.8
                }
                if !FileManager.default.fileExists(atPath: output.path) {
                    let resumed = try CommandLineTool.run(Self.arguments(output))
                    try #require(resumed.status == 0, "killed after \(delay) s: \(resumed.errors)")
                }
                #expect(try Self.files(output) == expected, "killed after \(delay) of \(duration) s")
                #expect(!FileManager.default.fileExists(atPath: output.path + ".journal"))
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(left == ["killed-0", "killed-1", "killed-2", "whole"])
        }
    }

    @Test func aPointBecomesTheModelThatCompressMakes() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let sweep = folder.appendingPathComponent("sweep")
            let made = try CommandLineTool.run(Self.arguments(sweep, sizes: "25%", more: ["--no-controls", "--fronts", "none"]))
            try #require(made.status == 0, "\(made.errors)")
            #expect(made.output.hasSuffix("page: \(sweep.path)/sweep.html\n"))
            let (planned, direct) = (folder.appendingPathComponent("planned"), folder.appendingPathComponent("direct"))
            let common = ["--threads", "2", "--quiet"]
            let followed = try CommandLineTool.run(
                ["compress", CommandLineTool.tinyLlama, "--plan", sweep.path + "/plan-25.json", "-o", planned.path] + common)
            try #require(followed.status == 0, "\(followed.errors)")
            let chosen = try CommandLineTool.run(
                [
                    "compress", CommandLineTool.tinyLlama, "--size", "25%", "--scope", "linear", "--only", "model.layers.0.self_attn.*",
                    "--calibration", "Examples/calibration-prose.txt", "-o", direct.path,
                ] + common)
            try #require(chosen.status == 0, "\(chosen.errors)")
            for name in ["model.safetensors", "config.json"] {
                #expect(
                    try Data(contentsOf: planned.appendingPathComponent(name))
                        == Data(contentsOf: direct.appendingPathComponent(name)), "\(name)")
            }

            // The text that it was calibrated on is known, and refused to measure on.
            let against = ["eval", planned.path, "--against", CommandLineTool.tinyLlama, "--quiet"]
            let refused = try CommandLineTool.run(against + ["--text", "Examples/calibration-prose.txt"])
            #expect(refused.status == 65 && refused.output.isEmpty)
            #expect(refused.errors.hasPrefix("error: calibration-prose.txt: "))
            #expect(refused.errors.hasSuffix("so figures on it would flatter the model (--allow-overlap measures all the same)\n"))
            let allowed = try CommandLineTool.run(against + ["--text", "Examples/calibration-prose.txt", "--allow-overlap"])
            #expect(allowed.status == 0)
            #expect(allowed.output.contains("\nnote: ") && allowed.output.contains(" occur in the calibration text\n"))

            // Another text is no one's; the simplest models of the size stand beside the figures.
            let result = try CommandLineTool.run(
                against + ["--text", "Examples/evaluation-prose.txt", "--control", "--json"])
            try #require(result.status == 0, "\(result.errors)")
            let document = try #require(try result.json as? [String: Any])
            #expect(try result.number("calibration_overlap", "shared") == 0)
            let looked = try #require(try result.number("calibration_overlap", "of"))
            #expect(looked > 100)
            let kl = try #require(try result.number("figures", "kl_mean", "value"))
            for key in ["kl_median", "kl_95", "kl_99"] {
                let error = try #require(try result.number("figures", key, "standard_error"))
                #expect(error > 0)
            }
            let median = try #require(try result.number("figures", "kl_median", "value"))
            let high = try #require(try result.number("figures", "kl_95", "value"))
            #expect(median < high)
            let original = try #require(try result.number("original", "perplexity", "value"))
            #expect(original > 20 && original < 400)
            let controls = try #require(document["controls"] as? [[String: Any]])
            #expect(controls.map { $0["method"] as? String } == ["round-to-nearest", "uniform-svd"])
            for control in controls {
                let figures = try #require(control["figures"] as? [String: [String: Any]])
                let value = try #require(figures["kl_mean"]?["value"] as? Double)
                #expect(value > kl)
            }
        }
    }

    @Test func textsThatCannotServeAreOneLine() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let output = folder.appendingPathComponent("out").path
            let text = folder.appendingPathComponent("text.txt")
            func errors(_ command: String, _ bytes: Data) throws -> String {
                try bytes.write(to: text)
                let size = command == "sweep" ? "--sizes" : "--size"
                let result = try CommandLineTool.run(
                    command, CommandLineTool.tinyLlama, size, "25%", "--calibration", text.path, "-o", output, "--quiet")
                #expect(result.status == 65 && result.output.isEmpty)
                return result.errors
            }
            for command in ["compress", "sweep"] {
                #expect(try errors(command, Data()) == "error: text.txt: calibration text is empty\n")
                #expect(
                    try errors(command, Data("A few words, and no more.".utf8)).hasPrefix(
                        "error: text.txt: calibration text is too short: expected at least two windows of 256 tokens, got "))
                #expect(
                    try errors(command, Data([0x50, 0x4B, 0x03, 0xFF, 0xFE, 0x00]))
                        == "error: \(text.path): calibration text is not UTF-8\n")
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(left == ["text.txt"])
        }
    }
}
