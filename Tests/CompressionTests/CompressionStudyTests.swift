import Analysis
import Compression
import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing

@Suite struct CompressionStudyTests {
    static func study(
        _ model: String, _ pairs: String, _ output: String, sizes: [Double] = [0.6, 0.3],
        fitters: [String] = ["svd", "round-to-nearest"], secondsPerRow: Double = 60, seconds: Double = .infinity,
        seed: UInt64 = 0
    ) throws -> CompressionStudy {
        let budgets = sizes.map { Budget(quantity: .bytes, fraction: $0) }
        return CompressionStudy(
            model: model, calibration: .own, evaluation: .pairs(try SentencePair.read(csv: pairs), name: "pairs.csv"),
            budgets: budgets, singles: [(try SizedMethod.named(fitters: fitters), budgets)], secondsPerRow: secondsPerRow,
            seconds: seconds, commit: "abc", seed: seed, output: output, context: ExecutionContext(threads: 2))
    }

    /// The results that ship are read, and written as they are.
    @Test func committedResultsComeBack() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let file = root.appending(path: "Results/compression.json").path
        let results = try CompressionResults.all(file)
        #expect(!results.isEmpty && results.allSatisfy { !$0.rows.isEmpty })
        #expect(.array(results.map(\.json)) == (try JSONValue.read(file: file))["models"])
    }

    @Test func rowsComeInOrderAndKeepWithinTheirSize() throws {
        try SmallEncoder.with { folder, model, pairs in
            let output = folder.appending(path: "deep/compression.json").path
            let results = try Self.study(model, pairs, output, sizes: [0.6, 0.3, 0.01]).run()
            #expect(
                results.rows.map(\.method)
                    == ["auto", "auto", "auto"] + Array(repeating: "round-to-nearest", count: 3) + Array(repeating: "svd", count: 3))
            for row in results.rows {
                guard row.budget.fraction > 0.01 else {
                    #expect(row.measured == nil && row.error?.contains("cannot be met") == true)
                    continue
                }
                let measured = try #require(row.measured, "\(row)")
                #expect(Double(measured.bytes) <= row.budget.fraction * Double(results.bytesInF16))
                #expect(measured.figures.map(\.key) == ["sts_spearman_100", "mean_cosine", "overlap"])
                #expect(row.commit == "abc" && !row.processor.isEmpty && row.date.hasPrefix("20"))
                #expect(row.method == "auto" || measured.form.contains("; tables: "))
            }
            // Against the better of the two, by what people scored and by neighbours.
            #expect(results.comparisons.count == 4)
            for comparison in results.comparisons {
                let singles = results.rows.filter { $0.budget == comparison.budget && $0.method != "auto" }
                    .compactMap { $0.measured?.figure(comparison.figure)?.value }
                #expect(comparison.bestValue == singles.max())
                #expect(abs(comparison.gain - (comparison.auto - comparison.bestValue)) < 1e-12)
                #expect(comparison.holds == (comparison.gain >= -comparison.autoStandardError))
            }
            let document = try JSONValue.read(file: output)
            #expect(document["models"]?[0]?["rows"]?.arrayValue?.count == 9)
            let read = try CompressionResults.all(output)
            #expect(read.count == 1 && read[0].rows.map(\.method) == results.rows.map(\.method))
            #expect(read[0].markdown.contains("| `svd` | "))
            #expect(read[0].markdown.contains("| 60 % of bytes | "))
            #expect(results.text.contains("none: svd, 1 % of bytes: "))
        }
    }

    @Test func aStudyGoesOnFromItsFileAndKeepsOtherModels() throws {
        try SmallEncoder.with { folder, model, pairs in
            let output = folder.appending(path: "compression.json").path
            // No row is begun: what stands is the header.
            let none = try Self.study(model, pairs, output, seconds: 0).run()
            #expect(none.rows.isEmpty)
            let first = try Self.study(model, pairs, output, fitters: ["svd"]).run()
            let second = try Self.study(model, pairs, output).run()
            #expect(second.rows.map(\.method) == ["auto", "auto", "svd", "svd", "round-to-nearest", "round-to-nearest"])
            #expect(second.rows.prefix(4).map(\.date) == first.rows.map(\.date))
            let bytes = try Data(contentsOf: URL(filePath: output))
            _ = try Self.study(model, pairs, output).run()
            #expect(try Data(contentsOf: URL(filePath: output)) == bytes)

            let other = folder.appending(path: "another").path
            try FileManager.default.copyItem(atPath: model, toPath: other)
            _ = try Self.study(other, pairs, output, sizes: [0.5], fitters: ["svd"]).run()
            let both = try CompressionResults.all(output)
            #expect(both.map(\.model) == ["another", "model"] && both.map(\.rows.count) == [2, 6])
            try? FileManager.default.removeItem(atPath: output + ".journal")
            #expect(throws: CompressionError.studyMismatch(file: output, differs: ["seed"])) {
                try Self.study(model, pairs, output, seed: 5).run()
            }
            try Data(#"{"tessera_compression": 2, "models": []}"#.utf8).write(to: URL(filePath: output))
            #expect(
                throws: CompressionError.studyUnreadable(
                    file: output, reason: #"expected "tessera_compression": 1 and "models""#)
            ) { try CompressionResults.all(output) }
        }
    }

    @Test func whatTakesTooLongIsSaidAndNotTriedAgain() throws {
        try SmallEncoder.with { folder, model, pairs in
            let output = folder.appending(path: "compression.json").path
            let results = try Self.study(model, pairs, output, fitters: ["svd"], secondsPerRow: 1e-9).run()
            let rows = results.rows.filter { $0.method == "svd" }
            #expect(rows.map(\.budget.fraction) == [0.3, 0.6])
            #expect(rows.map(\.error) == ["stopped after 0 s", "not tried: at 30 % of bytes stopped after 0 s"])
            #expect(try CompressionResults.all(output)[0].rows.map(\.error) == results.rows.map(\.error))
        }
    }
}
