import Compression
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

/// Compression under a latency budget, on two matrices of the language model that ships and a table of an
/// imagined machine, so that everything but the fits is fixed.
@Suite struct LatencyJobTests {
    static let only = ["model.layers.0.self_attn.k_proj", "model.layers.5.self_attn.o_pr?j"]
    static let families = ["quantized", "low-rank", "block-diagonal"]

    /// Bytes cost a tenth of a nanosecond each, and a product 200 more; integers of 2 and 3 bits are slow to
    /// unpack.
    static func nanoseconds(_ key: ProductKey) throws -> Double {
        let source = try #require(CandidateSources.all.first { $0.name == key.candidate.family })
        let bytes = source.cost(of: key.candidate, shape: key.shape, precision: key.precision).storedBytes
        let isSlow = ["2", "3"].contains(key.candidate.options["bits"].map { "\($0)" } ?? "")
        return 200 + Double(bytes) / (isSlow ? 1 : 10)
    }

    struct Imagined {
        let table: String
        /// Of the dense model's time, what the two matrices take.
        let selectedShare: Double
    }

    /// Writes the table; its whole model takes 300 microseconds more than its products.
    static func imagined(_ folder: URL, without: (ProductKey) -> Bool = { _ in false }) throws -> Imagined {
        let model = try LoadedModel.load(CompressionJobTests.model).model
        let files = try ModelFolder(path: CompressionJobTests.model)
        let preparation = LatencyPreparation(
            model: model, configuration: try CompressionJob.configurationName(files), families: families,
            precision: .f16, batch: 1, file: nil, context: .serial, progress: { _ in })
        let wanted = try preparation.wanted()
        var table = LatencyTable(machine: LatencyTableTests.machine)
        for key in wanted.products where !without(key) { table.record([key: try nanoseconds(key)]) }
        func dense(_ site: MatrixSite) throws -> Double {
            let key = try #require(
                wanted.products.first { $0.candidate.family == "dense" && $0.shape == site.shape })
            return try nanoseconds(key)
        }
        let multiplied = model.sites.filter { $0.input != nil }
        let whole = try multiplied.reduce(300_000) { try $0 + dense($1) }
        table.record(
            LatencyTable.ModelTime(nanoseconds: whole, products: whole - 300_000), of: wanted.model)
        let file = folder.appending(path: "table.json").path
        try table.write(to: file)
        let selected = try MatrixSelection(only: only).split(model.sites).selected
        return Imagined(table: file, selectedShare: try selected.reduce(0) { try $0 + dense($1) } / whole)
    }

    static func job(
        _ output: URL, _ table: String, _ budgets: [Budget], threads: Int = 2
    ) -> CompressionJob {
        var job = CompressionJob(
            model: CompressionJobTests.model, output: output.path,
            recipe: Recipe(
                budgets: budgets, selection: MatrixSelection(only: only), families: families, seed: 3),
            calibration: .file(CompressionJobTests.prose), context: ExecutionContext(threads: threads))
        job.latencyTable = table
        return job
    }

    static func line(_ job: CompressionJob) -> String {
        do {
            _ = try job.run()
            return "no error"
        } catch { return "\(error)" }
    }

    @Test func theSameTableGivesTheSameBytes() throws {
        try CompressionJobTests.temporary { folder in
            let imagined = try Self.imagined(folder)
            // The two matrices in half their time.
            let budget = Budget(quantity: .latency, fraction: 1 - imagined.selectedShare / 2)
            let first = folder.appending(path: "first")
            let report = try Self.job(first, imagined.table, [budget]).run()
            let expected = try CompressionJobTests.contents(first)
            let second = folder.appending(path: "second")
            _ = try Self.job(second, imagined.table, [budget], threads: 1).run()
            #expect(try CompressionJobTests.contents(second) == expected)

            let plan = try Plan(file: first.appending(path: "plan.json"))
            let latency = try #require(plan.latency)
            #expect(latency.predicted <= latency.target * latency.dense)
            #expect(latency.predicted > 0.9 * latency.target * latency.dense)
            #expect(latency.machine == LatencyTableTests.machine.description && latency.table.count == 32)
            #expect(plan.entries.count == 2)
            for entry in plan.entries {
                let time = try #require(entry.latency)
                let candidate = entry.choice.candidate
                let key = ProductKey(
                    candidate: candidate, shape: entry.shape, precision: .f16, batch: 1, modelBytes: 1)
                if !time.isInterpolated {
                    #expect(abs(time.nanoseconds - (try Self.nanoseconds(key))) < 1e-6)
                }
                #expect(![2, 3].contains(candidate.options["bits"] ?? 0))
            }
            #expect(report.allocationNotes.contains { $0.hasPrefix("predicted to take ") })
            #expect(
                report.allocationNotes.contains {
                    $0.hasPrefix("quantized is no faster than dense with 1 rows, so not used, at ")
                        && $0.contains("128 x 384 (6 of 18 sizes)")
                })
        }
    }

    @Test func anotherTableHasAnotherName() throws {
        try CompressionJobTests.temporary { folder in
            func plan(_ output: String, _ table: String) throws -> Plan.Latency {
                let budget = Budget(quantity: .latency, fraction: 1)
                return try #require(
                    try Self.job(folder.appending(path: output), table, [budget]).plan().latency)
            }
            let file = try Self.imagined(folder).table
            let name = try plan("a", file).table
            var table = try LatencyTable(file: file)
            let dense = try #require(table.products.keys.first { $0.candidate.family == "dense" })
            table.record([dense: 1e5])
            try table.write(to: file)
            #expect(try plan("b", file).table != name)
        }
    }

    @Test func bothBudgetsAreKept() throws {
        try CompressionJobTests.temporary { folder in
            let imagined = try Self.imagined(folder)
            let latency = Budget(quantity: .latency, fraction: 1 - imagined.selectedShare / 3)
            for size in [
                Budget(quantity: .bytes, fraction: 0.35), Budget(quantity: .multiplyAdds, fraction: 0.6),
            ] {
                let output = folder.appending(path: size.quantity.rawValue)
                let report = try Self.job(output, imagined.table, [latency, size]).run()
                let plan = try #require(try Plan(file: output.appending(path: "plan.json")).latency)
                #expect(plan.predicted <= plan.target * plan.dense)
                switch size.quantity {
                case .bytes: #expect(Double(report.selectedBytes) <= 0.35 * Double(report.selectedBytesInF16))
                default:
                    #expect(
                        Double(report.selectedMultiplyAdds) <= 0.6 * Double(report.selectedMultiplyAddsDense))
                }
            }
        }
    }

    @Test func whatCannotBeMetIsSaidWithWhatCan() throws {
        try CompressionJobTests.temporary { folder in
            let imagined = try Self.imagined(folder)
            let output = folder.appending(path: "out")
            let budget = Budget(quantity: .latency, fraction: 0.6)
            #expect(
                Self.line(Self.job(output, imagined.table, [budget]))
                    == "a latency of 60 % of the dense model's 2.83 ms a token (2 threads) cannot be met: these "
                    + "families reach 98.7 %, 98.6 % being outside the matrices that take part")
            // What is named can be had.
            let reachable = Budget(quantity: .latency, fraction: 0.987)
            #expect(Self.line(Self.job(output, imagined.table, [reachable])) == "no error")
            let other = folder.appending(path: "other")
            let both = [reachable, Budget(quantity: .bytes, fraction: 0.01)]
            #expect(
                Self.line(Self.job(other, imagined.table, both))
                    .hasSuffix(" bytes cannot be met: the smallest these families reach is 24576"))
            #expect(!FileManager.default.fileExists(atPath: other.path))
            #expect(!FileManager.default.fileExists(atPath: other.path + ".journal"))
        }
    }

    @Test func theTableOfAnotherMachineIsNotAddedTo() throws {
        try CompressionJobTests.temporary { folder in
            let file = try Self.imagined(folder) {
                $0.candidate.family == "dense" && $0.shape == MatrixShape(rows: 128, columns: 384)
            }.table
            let before = try Data(contentsOf: URL(filePath: file))
            let budget = Budget(quantity: .latency, fraction: 0.99)
            #expect(
                Self.line(Self.job(folder.appending(path: "out"), file, [budget]))
                    == "\(file): holds no time of a dense product of 128 x 384 in f16 with 1 rows, and is of "
                    + "another machine (Imagined 1, portable, 2 threads, kernels 7): "
                    + "measure there with 'tessera bench calibrate'"
            )
            #expect(try Data(contentsOf: URL(filePath: file)) == before)
        }
    }

    @Test func aTiedHeadHasMultiplyAdds() throws {
        try CompressionJobTests.temporary { folder in
            var job = CompressionJobTests.job(
                folder.appending(path: "out"), budget: Budget(quantity: .multiplyAdds, fraction: 0.5))
            job.recipe.selection = MatrixSelection(scope: .all)
            let forecast = try job.forecast()
            let head = try #require(forecast.selected.first { $0.role == .embedding })
            #expect(head.shape == MatrixShape(rows: 8192, columns: 384))
            #expect(forecast.budgets.count == 1)
            #expect(forecast.budgets[0].whole == forecast.selected.reduce(0) { $0 + $1.shape.count })
        }
    }
}
