import Foundation
import Testing

/// Experts and contextual sparsity from the command line.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct ExpertCommandTests {
    static let tiny = CommandLineTool.tinyLlama

    /// Cut, measured, run, and the dense model again.
    @Test func factorLLMFromEndToEnd() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let text = folder.appendingPathComponent("text.txt")
            let prose = CommandLineTool.packageRoot.appendingPathComponent("Examples/calibration-prose.txt")
            try Data(String(decoding: try Data(contentsOf: prose), as: UTF8.self).prefix(4000).utf8).write(to: text)
            let routed = folder.appendingPathComponent("routed").path
            let made = try CommandLineTool.run(
                "recipe", "run", "factor-llm", Self.tiny, "--calibration", text.path, "-o", routed, "--quiet")
            #expect(made.status == 0)
            #expect(made.output.contains("nothing is smaller in storage"))
            let lines = made.output.split(separator: "\n")
            #expect(lines.count { $0.contains("  4  ") } == 6)

            let measured = try CommandLineTool.run(
                "eval", routed, "--against", Self.tiny, "--text", "Examples/evaluation-prose.txt", "--json", "--quiet")
            #expect(try #require(try measured.number("figures", "kl_mean", "value")) > 0.05)
            let written = try CommandLineTool.run("run", routed, "--prompt", "The people", "--max-tokens", "8", "--quiet")
            #expect(written.status == 0 && !written.output.isEmpty)

            let dense = folder.appendingPathComponent("dense").path
            let exported = try CommandLineTool.run("export", routed, "--dense", "-o", dense)
            #expect(exported.errors.hasSuffix("all experts of its 6 blocks run for every token again: the dense function\n"))
            let again = try CommandLineTool.run(
                "eval", dense, "--against", Self.tiny, "--text", "Examples/evaluation-prose.txt", "--json", "--quiet")
            #expect(try #require(try again.number("figures", "kl_mean", "value")) < 1e-6)
            let configuration = try String(contentsOfFile: dense + "/config.json", encoding: .utf8)
            #expect(!configuration.contains("tessera"))

            let refused = try CommandLineTool.run(
                "run", routed, "--prompt", "The", "--contextual-sparsity", "50%", "--quiet")
            #expect(refused.status != 0)
            #expect(
                refused.errors
                    == "error: contextual sparsity: expected dense feed-forward matrices that run for every token, got experts\n")
        }
    }

    @Test func contextualSparsityReportsItsWork() throws {
        let whole = try CommandLineTool.run(
            "run", Self.tiny, "--prompt", "The people of the United States", "--max-tokens", "12", "--quiet")
        let checked = try CommandLineTool.run(
            "run", Self.tiny, "--prompt", "The people of the United States", "--max-tokens", "12", "--contextual-sparsity",
            "50%", "--threshold", "2")
        #expect(checked.output == whole.output)
        #expect(checked.errors.contains("1.0 tokens for each check of up to 16; effective density "))
        let result = try CommandLineTool.run(
            "run", Self.tiny, "--prompt", "The people of the United States", "--max-tokens", "40", "--contextual-sparsity",
            "50%", "--kernel", "8", "--compare", "--json")
        func figure(_ name: String) throws -> Double { try #require(try result.number("contextual_sparsity", name)) }
        #expect(try figure("share") == 0.5)
        let (density, passes) = (try figure("density"), try figure("passes"))
        #expect(density > 0.5 && density < 1)
        #expect(try figure("effective_density") > density && passes >= 5)
        #expect(try figure("full_tokens_per_second") > 0)
    }

    @Test func optionsThatDoNotGoTogether() throws {
        let alone = try CommandLineTool.run("run", Self.tiny, "--prompt", "The", "--kernel", "8")
        #expect(alone.status == 64)
        #expect(alone.errors.contains("--kernel, --threshold, --compare: go with --contextual-sparsity"))
        for share in ["100%", "many", "0"] {
            let wrong = try CommandLineTool.run("run", Self.tiny, "--prompt", "The", "--contextual-sparsity", share)
            #expect(wrong.status == 64)
            #expect(wrong.errors.contains("--contextual-sparsity: expected a share of less than 100 %, such as 50%, got '\(share)'"))
        }
        let kernel = try CommandLineTool.run(
            "run", Self.tiny, "--prompt", "The", "--contextual-sparsity", "50%", "--kernel", "0")
        #expect(kernel.errors.contains("kernel: expected 1 to 256 tokens, got 0"))
    }
}
