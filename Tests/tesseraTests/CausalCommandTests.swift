import Foundation
import Testing

@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct CausalCommandTests {
    static let tiny = CommandLineTool.tinyLlama

    @Test func greedyTextIsTheReferences() throws {
        let result = try CommandLineTool.run(
            "run", Self.tiny, "--prompt", "The people of the United States", "--max-tokens", "12")
        #expect(result.output == " have been the only way to the Congress.\nThe first\n")
        #expect(result.errors.hasPrefix("prompt of 6 tokens in "))
        #expect(result.errors.hasSuffix(" tokens/s\n"))
        #expect(result.status == 0)
    }

    @Test func quietRunsSayNothingElse() throws {
        let result = try CommandLineTool.run("run", Self.tiny, "--prompt", "This film is", "--max-tokens", "2", "--quiet")
        #expect(result.errors.isEmpty)
        #expect(!result.output.isEmpty)
    }

    @Test func theSameSeedGivesTheSameText() throws {
        func text(seed: String, threads: String) throws -> String {
            try CommandLineTool.run(
                "run", Self.tiny, "--prompt", "My fellow citizens,", "--max-tokens", "24", "--temperature", "0.9",
                "--top-p", "0.95", "--seed", seed, "--threads", threads, "--quiet").output
        }
        let first = try text(seed: "1", threads: "1")
        #expect(try text(seed: "1", threads: "2") == first)
        #expect(try text(seed: "2", threads: "1") != first)
    }

    @Test func runAsJSON() throws {
        let result = try CommandLineTool.run(
            "run", Self.tiny, "--prompt", "This film is", "--max-tokens", "5", "--json")
        let document = try #require(try result.json as? [String: Any])
        #expect(document["end"] as? String == "maximumTokens")
        #expect((document["tokens"] as? [Int]) == [260, 749, 688, 465, 15])
        #expect(try result.number("prompt_tokens") == 3)
        #expect(result.errors.isEmpty)
    }

    @Test func aFullContextEndsTheTextAndSaysSo() throws {
        let result = try CommandLineTool.run(
            "run", Self.tiny, "--prompt", "The people", "--max-tokens", "1000", "--temperature", "1", "--seed", "3",
            "--json")
        let document = try #require(try result.json as? [String: Any])
        let tokens = try #require(document["tokens"] as? [Int])
        #expect(tokens.count < 256)
        #expect(["contextFull", "stopToken"].contains(document["end"] as? String))
    }

    @Test func perplexityOfAShippedText() throws {
        let result = try CommandLineTool.run("eval", Self.tiny, "--text", "Examples/evaluation-prose.txt", "--json", "--quiet")
        let perplexity = try #require(try result.number("figures", "perplexity", "value"))
        let error = try #require(try result.number("figures", "perplexity", "standard_error"))
        #expect(perplexity > 20 && perplexity < 400)
        #expect(error > 0 && error < perplexity / 4)
        let bits = try #require(try result.number("figures", "bits_per_byte", "value"))
        #expect(bits > 0.8 && bits < 2.5)
        #expect(result.errors.isEmpty)
    }

    @Test func figuresAreAlignedLines() throws {
        let result = try CommandLineTool.run(
            "eval", Self.tiny, "--text", "Examples/evaluation-prose.txt", "--window", "64", "--quiet")
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.hasPrefix("perplexity     ") == true)
        #expect(lines.last?.hasPrefix("bits per byte  ") == true)
        #expect(lines.allSatisfy { $0.contains(" ± ") })
        #expect(lines.first?.hasSuffix(" tokens in windows of 64") == true)
        let marks = lines.compactMap { line in line.firstIndex(of: "±").map { line.distance(from: line.startIndex, to: $0) } }
        #expect(Set(marks).count == 1)
    }

    @Test func textsComeFromStandardInputToo() throws {
        let file = CommandLineTool.packageRoot.appendingPathComponent("Examples/evaluation-prose.txt")
        let piped = try CommandLineTool.run(
            "eval", Self.tiny, "--text", "-", "--quiet", input: try String(contentsOf: file, encoding: .utf8))
        let read = try CommandLineTool.run("eval", Self.tiny, "--text", file.path, "--quiet")
        #expect(piped.output == read.output)
        #expect(piped.status == 0)
    }

    @Test(.enabled(if: CommandLineTool.sharedData != nil, "\(CommandLineTool.sharedDataSkipReason)"))
    func perplexityIsTheReferences() throws {
        let text = try #require(CommandLineTool.sharedData).appendingPathComponent("lm/eval.txt").path
        let result = try CommandLineTool.run("eval", Self.tiny, "--text", text, "--json", "--quiet")
        let perplexity = try #require(try result.number("figures", "perplexity", "value"))
        #expect(abs(perplexity / 61.511 - 1) < 0.005)
        let bits = try #require(try result.number("figures", "bits_per_byte", "value"))
        #expect(abs(bits / 1.32327 - 1) < 0.005)
    }

    @Test func aModelAgreesWithItself() throws {
        let result = try CommandLineTool.run(
            "eval", Self.tiny, "--against", Self.tiny, "--text", "Examples/evaluation-prose.txt", "--json", "--quiet")
        #expect(try result.number("figures", "kl_mean", "value") == 0)
        #expect(try result.number("figures", "top_1_agreement", "value") == 1)
    }

    @Test func inspectListsEveryMatrix() throws {
        let result = try CommandLineTool.run("inspect", Self.tiny, "--json", "--quiet")
        let document = try #require(try result.json as? [String: Any])
        let matrices = try #require(document["matrices"] as? [[String: Any]])
        #expect(matrices.filter { $0["role"] as? String == "linear" }.count == 42)
        #expect(matrices.filter { $0["role"] as? String == "embedding" }.count == 1)
        let total = try ["linear_matrices", "embedding_tables", "other_tensors"].reduce(0.0) { sum, group in
            sum + (try #require(try result.number("totals", group, "bytes")))
        }
        let file = try #require(try result.number("totals", "weight_file_bytes"))
        #expect(total < file && total > file - 20_000)
        for matrix in matrices where matrix["role"] as? String == "linear" {
            let spectrum = try #require(matrix["spectrum"] as? [String: Any])
            let (rank90, rank99) = (try #require(spectrum["rank_90"] as? Int), try #require(spectrum["rank_99"] as? Int))
            #expect(rank90 > 0 && rank90 < rank99)
            let half = try #require(matrix["low_rank_half"] as? [String: Any])
            let int4 = try #require(matrix["int4"] as? [String: Any])
            #expect(try #require(half["relative_error"] as? Double) > 0.01)
            #expect(try #require(int4["relative_error"] as? Double) < 0.02)
        }
    }

    @Test func inspectShowsWhatIsAskedFor() throws {
        let result = try CommandLineTool.run("inspect", Self.tiny, "--only", "*layers.0*q_proj", "--quiet")
        #expect(result.output.contains("\nmodel.layers.0.self_attn.q_proj       384 x 384  dense F16  294,912  "))
        #expect(!result.output.contains("k_proj"))
        #expect(result.output.contains("linear matrices      42"))
    }

    @Test func benchmarksSayWhatIsSlower() throws {
        let result = try CommandLineTool.run(
            "bench", Self.tiny, Self.tiny, "--rounds", "2", "--prompt-tokens", "16", "--new-tokens", "4", "--quiet")
        #expect(result.status == 0)
        #expect(result.output.contains("prefill: prompts of 16 tokens drawn at random"))
        #expect(result.output.contains("decode: 4 tokens after prompts of 16 drawn at random"))
        #expect(result.output.contains("times the first"))
        let verdicts = ["faster than the first", "slower than the first", "no clear difference"]
        #expect(verdicts.contains { result.output.contains($0) })
    }

    @Test func benchmarksAsJSON() throws {
        let result = try CommandLineTool.run(
            "bench", Self.tiny, Self.tiny, "--rounds", "3", "--prompt-tokens", "16", "--new-tokens", "4", "--batch", "2",
            "--text", "Examples/evaluation-prose.txt", "--json", "--quiet")
        let document = try #require(try result.json as? [String: Any])
        let workloads = try #require(document["workloads"] as? [[String: Any]])
        #expect(workloads.map { $0["name"] as? String } == ["prefill", "decode"])
        for workload in workloads {
            let models = try #require(workload["models"] as? [[String: Any]])
            #expect(models.allSatisfy { ($0["seconds"] as? [Double])?.count == 3 })
            // Three rounds are too few to decide anything.
            #expect(models.first?["verdict"] is NSNull)
            #expect(models.last?["verdict"] as? String == "no clear difference")
        }
    }
}
