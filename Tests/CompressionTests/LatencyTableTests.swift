import Compression
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing
import Transformers

@Suite struct LatencyTableTests {
    static let machine = LatencyMachine(
        processor: "Imagined 1", instructionSet: "portable", threads: 2, kernels: 7)

    static func key(_ family: String, _ options: [String: Int] = [:], rows: Int = 8) -> ProductKey {
        ProductKey(
            candidate: Candidate(family: family, options: options),
            shape: MatrixShape(rows: rows, columns: 4),
            precision: .f16, batch: 1, modelBytes: 1 << 20)
    }

    static func sample() -> LatencyTable {
        var table = LatencyTable(machine: machine)
        table.record([
            key("dense"): 100, key("low-rank", ["rank": 1]): 20.5, key("low-rank", ["rank": 5]): 60.25,
            key("low-rank", ["rank": 9]): 90, key("quantized", ["bits": 8, "groupSize": 32]): 40,
            key("blast", ["blocks": 2, "rank": 3]): 33,
        ])
        table.record(
            LatencyTable.ModelTime(nanoseconds: 5e6, products: 3.5e6),
            of: LatencyTable.ModelKey(model: "a model", batch: 64))
        table.record(correction: 1.25, of: "a run")
        return table
    }

    static func withFile(_ text: String?, _ body: (String) throws -> Void) throws {
        try CompressionJobTests.temporary { folder in
            let file = folder.appending(path: "below/table.json")
            if let text {
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: file)
            }
            try body(file.path)
        }
    }

    @Test func aTableIsReadBackAsItWasWritten() throws {
        try Self.withFile(nil) { file in
            let table = Self.sample()
            try table.write(to: file)
            let again = try LatencyTable(file: file)
            #expect(again == table)
            #expect(try again.json.text(pretty: true) == table.json.text(pretty: true))
            #expect(
                again.time(Self.key("low-rank", ["rank": 3])) == table.time(Self.key("low-rank", ["rank": 3]))
            )
        }
    }

    @Test func sizesBetweenAreInterpolatedAndSaySo() throws {
        let table = Self.sample()
        func time(_ family: String, _ options: [String: Int]) -> ProductTime? {
            table.time(Self.key(family, options))
        }
        let measured = try #require(time("low-rank", ["rank": 5]))
        #expect(measured.nanoseconds == 60.25 && !measured.isInterpolated)
        let between = try #require(time("low-rank", ["rank": 7]))
        #expect(abs(between.nanoseconds - 75.125) < 1e-12 && between.isInterpolated)
        #expect(time("low-rank", ["rank": 10]) == nil)
        #expect(time("low-rank", ["rank": 0]) == nil)
        // Other options are other forms, and other shapes other curves.
        #expect(time("quantized", ["bits": 4, "groupSize": 32]) == nil)
        #expect(time("blast", ["blocks": 4, "rank": 3]) == nil)
        #expect(table.time(Self.key("dense", rows: 16)) == nil)
    }

    @Test(arguments: UInt64(1)...20)
    func timesNeverFallWithSize(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let points = (0..<8).map {
            (size: 10 * $0 + 5, time: 50 + 10 * Double($0) + 60 * generator.nextNormal())
        }
        let curve = MonotoneCurve(points.shuffled(using: &generator))
        #expect(curve.sizes == points.map { $0.size })
        var last = -Double.infinity
        for size in 5...75 {
            let time = try #require(curve.time(at: size))
            #expect(time.nanoseconds >= last - 1e-9)
            #expect(time.isInterpolated == !curve.sizes.contains(size))
            last = time.nanoseconds
        }
        // Pooling keeps the mean, and leaves what was in order as it was.
        let mean = points.reduce(0) { $0 + $1.time } / 8
        #expect(abs(curve.times.reduce(0, +) / 8 - mean) < 1e-9)
        let rising = points.map { (size: $0.size, time: Double($0.size * $0.size)) }
        #expect(MonotoneCurve(rising).times == rising.map { $0.time })
    }

    @Test func whatOthersMeasuredIsAdopted() {
        var mine = Self.sample()
        var other = LatencyTable(machine: Self.machine)
        other.record([Self.key("dense"): 1, Self.key("dense", rows: 16): 2])
        mine.adopt(other)
        #expect(mine.products[Self.key("dense")] == 100)
        #expect(mine.products[Self.key("dense", rows: 16)] == 2)
        var machine = Self.machine
        machine.threads = 1
        var foreign = LatencyTable(machine: machine)
        foreign.record([Self.key("dense", rows: 32): 3])
        mine.adopt(foreign)
        #expect(mine.products[Self.key("dense", rows: 32)] == nil)
    }

    static let product =
        #"{"family": "dense", "options": {}, "shape": [8, 4], "precision": "f16", "batch": 1, "#
        + #""model_bytes": 9, "activations": "int8", "nanoseconds": 5}"#
    static func document(
        _ products: String,
        machine: String = #"{"processor": "p", "instruction_set": "i", "threads": 1, "kernels": 1}"#,
        models: String = "[]", corrections: String = "[]"
    ) -> String {
        #"{"tessera_latency_table": 1, "machine": \#(machine), "products": \#(products), "models": \#(models), "#
            + #""corrections": \#(corrections)}"#
    }
    static func changed(_ old: String, _ new: String) -> String {
        document("[" + product.replacingOccurrences(of: old, with: new) + "]")
    }

    static let malformed: [(text: String, reason: String)] = [
        ("{}", "'tessera_latency_table' is missing"),
        (#"{"tessera_latency_table": 2}"#, "expected format version 1, got 2"),
        (#"{"tessera_latency_table": 1}"#, "'machine' is missing"),
        (document("7"), "'products' is not an array"),
        (document("[]", machine: "{}"), "machine: 'processor': expected a string, got nothing"),
        (
            document(
                "[]", machine: #"{"processor": "p", "instruction_set": "i", "threads": 0, "kernels": 1}"#),
            "machine: 'threads': expected an integer from 1 to 65536, got 0"
        ),
        (document("[1]"), "product 0: 'family': expected a string, got nothing"),
        (document("[\(product), \(product)]"), "product 1 is there twice"),
        (
            changed("5}", "-5}"),
            "product 0: 'nanoseconds': expected a number above 0, at most 10000000000000.0, got -5"
        ),
        (
            changed("5}", "0}"),
            "product 0: 'nanoseconds': expected a number above 0, at most 10000000000000.0, got 0"
        ),
        (
            changed("5}", "1e300}"),
            "product 0: 'nanoseconds': expected a number above 0, at most 10000000000000.0, got 1e+300"
        ),
        (
            changed("5}", "\"fast\"}"),
            "product 0: 'nanoseconds': expected a number above 0, at most 10000000000000.0, got a string"
        ),
        (
            changed("[8, 4]", "[8]"),
            "product 0: 'shape': expected two integers from 1 to 2147483647, got an array"
        ),
        (
            changed("[8, 4]", "[8, 9223372036854775807]"),
            "product 0: 'shape': expected two integers from 1 to 2147483647, got an array"
        ),
        (changed("int8", "int9"), "product 0: 'activations': expected none, bf16 or int8, got a string"),
        (changed("f16", "f8"), "product 0: 'precision': expected f32, f16 or bf16, got a string"),
        (
            changed("\"batch\": 1", "\"batch\": 99999999999"),
            "product 0: 'batch': expected an integer from 1 to 16777216, got 99999999999"
        ),
        (
            changed("\"options\": {}", "\"options\": {\"rank\": 0.5}"),
            "product 0: 'rank': expected an integer from 0 to 2147483647, got 0.5"
        ),
        (changed("\"options\": {}", "\"options\": 3"), "product 0: 'options': expected an object, got 3"),
        (
            document("[]", models: #"[{"model": "m", "batch": 1, "nanoseconds": -1}]"#),
            "model 0: 'nanoseconds': expected a number above 0, at most 10000000000000.0, got -1"
        ),
        (
            document(
                "[]", models: #"[{"model": "m", "batch": 1, "nanoseconds": 4, "products_nanoseconds": 5}]"#),
            "model 0: 'products_nanoseconds': expected a number above 0, at most 4.0, got 5"
        ),
        (
            document("[]", corrections: #"[{"run": "r", "scale": 0}]"#),
            "correction 0: 'scale': expected a number from 0.001 to 1000, got 0"
        ),
    ]

    @Test(arguments: malformed)
    func malformedTablesAreOneLine(text: String, reason: String) throws {
        try Self.withFile(text) { file in
            #expect(throws: CompressionError.latencyTableUnreadable(file: file, reason: reason)) {
                try LatencyTable(file: file)
            }
        }
    }

    @Test func aTableCutAnywhereIsRefusedInOneLine() throws {
        let whole = try Self.sample().json.text(pretty: true)
        for length in stride(from: 0, to: whole.utf8.count - 2, by: 37) {
            try Self.withFile(String(decoding: whole.utf8.prefix(length), as: UTF8.self)) { file in
                do {
                    _ = try LatencyTable(file: file)
                    Issue.record("a table of \(length) bytes was read")
                } catch {
                    #expect(error is ModelFileError || error is CompressionError)
                    #expect(!"\(error)".contains("\n"))
                }
            }
        }
        try Self.withFile(Self.changed("5}", "NaN}")) { file in
            #expect(throws: ModelFileError.self) { try LatencyTable(file: file) }
        }
    }

    /// What is timed has the form that is fitted, for every source.
    @Test func specimensCostWhatTheirCandidatesCost() throws {
        let shape = MatrixShape(rows: 48, columns: 96)
        let site = MatrixSite(name: "w", shape: shape, role: .embedding, input: nil)
        for source in CandidateSources.all {
            for candidate in source.candidates(for: site, quantity: .latency, precision: .f16) {
                let specimen = try source.specimen(candidate, shape: shape, precision: .f16)
                #expect(specimen.shape == shape && specimen.family == source.family)
                #expect(
                    specimen.cost == source.cost(of: candidate, shape: shape, precision: .f16),
                    "\(candidate.label)")
            }
        }
    }
}
