import Foundation
import Testing

@Suite(
    .enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"),
    .enabled(if: CommandLineTool.miniLM != nil, "\(CommandLineTool.miniLMSkipReason)"))
struct EncoderCommandTests {
    let model = CommandLineTool.miniLM ?? ""

    private func embeddings(_ result: CommandLineTool.Result) throws -> [[Double]] {
        try result.output.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [Double])
        }
    }

    @Test func inputWithoutLinesIsRefused() throws {
        let result = try CommandLineTool.run("embed", model, input: "")
        #expect(result.errors == "error: standard input: holds no text\n")
        #expect(result.output.isEmpty)
        #expect(result.status == 65)
    }

    @Test func oneArrayForEachLine() throws {
        let result = try CommandLineTool.run(
            "embed", model, "--batch", "2", input: "This is an example sentence.\r\n\nA cat sat.\nno end of line")
        let rows = try embeddings(result)
        #expect(rows.count == 4)
        #expect(rows.allSatisfy { $0.count == 384 })
        #expect(rows.allSatisfy { row in abs(row.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5 })
        // As the reference has it.
        #expect(zip(try #require(rows.first), [0.098125, 0.067813, 0.062523, 0.095085]).allSatisfy { abs($0 - $1) < 1e-4 })
        #expect(result.errors.isEmpty)
    }

    @Test func theBatchChangesNothing() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("lines.txt")
            try Data("One.\nTwo words.\nThree words here.\n".utf8).write(to: file)
            let one = try embeddings(try CommandLineTool.run("embed", model, "--input", file.path, "--batch", "1"))
            let all = try embeddings(try CommandLineTool.run("embed", model, "--input", file.path, "--threads", "1"))
            #expect(one.count == 3 && all.count == 3)
            for (left, right) in zip(one, all) { #expect(zip(left, right).allSatisfy { abs($0 - $1) < 1e-6 }) }
        }
    }

    /// A model of bf16 numbers, its inputs as they are and rounded too: near each other, whatever the processor has.
    @Test func bfloatActivationsStayNear() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let half = folder.appendingPathComponent("bf16").path
            let made = try CommandLineTool.run("export", model, "--dense", "-o", half, "--precision", "bf16", "--quiet")
            #expect(made.status == 0)
            let texts = "A man is playing a guitar.\nThe stock market fell sharply on Monday.\n"
            let exact = try embeddings(try CommandLineTool.run("embed", half, "--activations", "f32", input: texts))
            let rounded = try embeddings(try CommandLineTool.run("embed", half, "--activations", "bf16", input: texts))
            #expect(exact.count == 2 && rounded.count == 2)
            for (left, right) in zip(exact, rounded) {
                #expect(zip(left, right).reduce(0) { $0 + $1.0 * $1.1 } > 0.9995)
            }
        }
    }

    @Test func longLinesAreCutAndCounted() throws {
        let long = Array(repeating: "word", count: 600).joined(separator: " ")
        let result = try CommandLineTool.run("embed", model, input: "short\n\(long)\n")
        #expect(try embeddings(result).count == 2)
        #expect(result.errors == "1 line was longer than 256 tokens and was cut\n")
    }

    @Test func brokenTextNamesTheLine() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("broken.txt")
            try Data("fine\nbro\u{0}".utf8 + [0xFF, 0x0A]).write(to: file)
            let result = try CommandLineTool.run("embed", model, "--input", file.path)
            #expect(result.errors == "error: \(file.path): line 2 is not UTF-8 text\n")
            #expect(result.status == 65)
        }
    }

    @Test func anEncoderAgreesWithItself() throws {
        let result = try CommandLineTool.run(
            "eval", model, "--against", model, "--text", "Examples/evaluation-sentences.txt", "--json", "--quiet")
        let cosine = try #require(try result.number("figures", "mean_cosine", "value"))
        #expect(abs(cosine - 1) < 1e-5)
        #expect(try result.number("figures", "overlap", "value") == 1)
    }

    @Test(.enabled(if: CommandLineTool.sharedData != nil, "\(CommandLineTool.sharedDataSkipReason)"))
    func similarityIsTheReferences() throws {
        let file = try #require(CommandLineTool.sharedData).appendingPathComponent("stsb/dev.csv").path
        let result = try CommandLineTool.run("eval", model, "--sts", file, "--json", "--quiet")
        let spearman = try #require(try result.number("figures", "sts_spearman_100", "value"))
        #expect(abs(spearman - 86.72) < 0.02)
    }

    @Test func tallTablesAreNotDecomposed() throws {
        let result = try CommandLineTool.run("inspect", model, "--only", "*word_embeddings", "--quiet")
        #expect(result.output.contains("quantized; spectrum skipped, over 8192 rows"))
    }

    @Test func benchmarkOfAnEncoder() throws {
        let result = try CommandLineTool.run("bench", model, "--rounds", "1", "--quiet")
        #expect(result.output.contains("encode: 128 sequences of 8 to 32 random tokens, 32 of about one length together"))
    }
}
