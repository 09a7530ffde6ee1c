import Fitting
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// What `compare` prints and writes; how fast anything is, no test says.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct CompareCommandTests {
    private static func withWeight<Value>(
        rows: Int = 48, columns: Int = 64, _ body: (_ folder: URL, _ weight: String) throws -> Value
    ) throws -> Value {
        try CommandLineTool.withTemporaryFolder { folder in
            var generator = SeededGenerator(seed: 1)
            let file = folder.appendingPathComponent("weight.npy").path
            try NumPyArray(Matrix.random(rows: rows, columns: columns, using: &generator)).write(to: file)
            return try body(folder, file)
        }
    }

    @Test func everyFitterIsARowAtEverySize() throws {
        try Self.withWeight { _, weight in
            let result = try CommandLineTool.run(
                "compare", weight, "--size", "5%,80%", "--batch", "3", "--threads", "1", "--json", "--quiet")
            #expect(result.status == 0 && result.errors.isEmpty)
            let document = try #require(try result.json as? [String: Any])
            #expect(document["shape"] as? [Int] == [48, 64])
            #expect(document["objective"] as? String == "frobenius")
            let rows = try #require(document["methods"] as? [[String: Any]])
            let names = Fitters.methods.map(\.name)
            for size in ["5 % of bytes", "80 % of bytes"] {
                let here = rows.filter { $0["size"] as? String == size }
                #expect(Set(here.compactMap { $0["fitter"] as? String }).isSuperset(of: names), "\(size)")
            }
            for row in rows {
                guard let bytes = row["bytes"] as? Int else {
                    #expect((row["reason"] as? String)?.isEmpty == false)
                    continue
                }
                #expect(Double(bytes) <= 0.8 * 2 * 48 * 64)
                let errors = try #require(row["relative_errors"] as? [String: Double])
                #expect(Set(errors.keys) == ["frobenius"])
                #expect((row["products"] as? [[String: Any]])?.map { $0["batch"] as? Int } == [3])
            }
            #expect(rows.contains { $0["reason"] != nil } && rows.contains { $0["bytes"] != nil })
        }
    }

    @Test func theTableShowsFitsAndReasons() throws {
        try Self.withWeight { _, weight in
            let result = try CommandLineTool.run(
                "compare", weight, "--size", "50%", "--by", "parameters", "--families", "low-rank,quantized", "--batch", "1",
                "--quiet")
            #expect(result.status == 0 && result.errors.isEmpty)
            for text in [
                "48 x 64, dense in f16 6.14 kB", "at most 50 % of parameters", "\nsvd ", "\nactivation-svd ", "\ndense ",
                "\ncannot serve  quantize: a budget of 1536 parameters is below the smallest quantized form",
            ] {
                #expect(result.output.contains(text), "\(text)")
            }
            #expect(!result.output.contains("monarch"))
        }
    }

    @Test func inputsGiveTheActivationObjectiveAndThePlotAndArraysAreWritten() throws {
        try Self.withWeight { folder, weight in
            var generator = SeededGenerator(seed: 2)
            let inputs = folder.appendingPathComponent("inputs.npz").path
            let samples = Matrix.random(rows: 100, columns: 64, using: &generator)
            try NumPyArchive.write([("x", NumPyArray(samples))], to: inputs)
            let (plot, arrays) = (folder.appendingPathComponent("p.svg").path, folder.appendingPathComponent("fits.npz").path)
            let result = try CommandLineTool.run(
                "compare", weight, "--size", "50%", "--fitters", "svd,activation-svd", "--calibration", inputs + ":x", "--json",
                "--plot", plot, "--npz", arrays, "--quiet", "--batch", "1")
            #expect(result.status == 0 && result.errors.isEmpty)
            let document = try #require(try result.json as? [String: Any])
            #expect(document["objective"] as? String == "activations")
            let rows = try #require(document["methods"] as? [[String: Any]])
            func errors(_ fitter: String) throws -> [String: Double] {
                let row = try #require(rows.first { $0["fitter"] as? String == fitter })
                return try #require(row["relative_errors"] as? [String: Double])
            }
            let (plain, weighted) = (try errors("svd"), try errors("activation-svd"))
            #expect(try #require(weighted["activations"]) < #require(plain["activations"]))
            #expect(try #require(plain["frobenius"]) < #require(weighted["frobenius"]))
            #expect(rows.first { $0["fitter"] as? String == "svd" }?["serves_objective"] as? Bool == false)

            let svg = try String(contentsOfFile: plot, encoding: .utf8)
            #expect(svg.hasPrefix("<svg xmlns=") && svg.contains("Pareto front") && !svg.contains("var(--"))
            #expect(XMLParser(data: Data(svg.utf8)).parse())
            let archive = try NumPyArchive(file: arrays)
            #expect(archive.names == ["weight", "svd 50 % of bytes", "activation-svd 50 % of bytes"])
            #expect(try archive.array(named: "weight") == NumPyArray(file: weight))
        }
    }

    @Test func fisherWeightsAreTheObjective() throws {
        try Self.withWeight { folder, weight in
            let fisher = folder.appendingPathComponent("fisher.npz").path
            try NumPyArchive.write([("rows", NumPyArray((0..<48).map { Float(1 + $0 % 4) }))], to: fisher)
            let result = try CommandLineTool.run(
                "compare", weight, "--size", "50%", "--fitters", "svd,fisher-svd", "--fisher", fisher, "--json", "--quiet",
                "--batch", "1")
            #expect(result.status == 0 && result.errors.isEmpty)
            let document = try #require(try result.json as? [String: Any])
            #expect(document["objective"] as? String == "fisher")
            let rows = try #require(document["methods"] as? [[String: Any]])
            #expect(rows.map { $0["refinement"] as? String } == ["l-bfgs", nil])
            #expect(rows.allSatisfy { Set(($0["relative_errors"] as? [String: Double] ?? [:]).keys) == ["frobenius", "fisher"] })
        }
    }

    @Test func aMatrixOfAModelIsCompared() throws {
        let name = "model.layers.0.self_attn.k_proj"
        let result = try CommandLineTool.run(
            "compare", CommandLineTool.tinyLlama + ":" + name + ".weight", "--size", "50%", "--fitters", "svd", "--json", "--quiet",
            "--batch", "1")
        #expect(result.status == 0 && result.errors.isEmpty)
        #expect((try result.json as? [String: Any])?["matrix"] as? String == name)
    }

    @Test func equalSeedsGiveEqualErrors() throws {
        try Self.withWeight(rows: 32, columns: 32) { _, weight in
            func errors(_ threads: String) throws -> [[String: Double]?] {
                let result = try CommandLineTool.run(
                    "compare", weight, "--size", "50%", "--families", "low-rank,blast,monarch", "--threads", threads, "--json",
                    "--quiet", "--batch", "1")
                let rows = try #require((try result.json as? [String: Any])?["methods"] as? [[String: Any]])
                return rows.map { $0["relative_errors"] as? [String: Double] }
            }
            let (one, three) = (try errors("1"), try errors("3"))
            #expect(one == three && one.contains { $0 != nil })
        }
    }

    @Test func mistakesGiveOneLine() throws {
        try Self.withWeight { folder, weight in
            let tiny = CommandLineTool.tinyLlama
            let inputs = folder.appendingPathComponent("inputs.npy").path
            try NumPyArray(Matrix(rows: 3, columns: 5)).write(to: inputs)
            let bad = folder.appendingPathComponent("nan.npy").path
            try NumPyArray([1, .nan]).write(to: bad)
            let two = folder.appendingPathComponent("two.npz").path
            try NumPyArchive.write([("a", NumPyArray([1])), ("b", NumPyArray([1]))], to: two)
            let families = Families.names.filter { $0 != "dense" }.joined(separator: ", ")
            let mistakes: [([String], Int32, String)] = [
                ([weight, "--size", "0%"], 64, "budget '0%': expected more than 0% and at most 100%"),
                ([weight, "--size", "50%,"], 64, "--size: expected names separated by commas, got '50%,'"),
                ([weight, "--batch", "0"], 64, "--batch: expected numbers from 1 to 4096, separated by commas, got '0'"),
                ([weight, "--families", "square"], 64, "unknown family 'square', expected one of \(families)"),
                ([weight, "--objective", "activations"], 65,
                    "calibration text is needed: the objective 'activations' is made of it (--calibration FILE or --calibration self)"),
                ([weight, "--objective", "fisher"], 65,
                    "Fisher weights are needed: the objective 'fisher' is made of them (--fisher FILE.npz)"),
                ([weight, "--fisher", two], 65,
                    "\(two): expected arrays \"rows\" or \"columns\", got \"a\", \"b\""),
                ([weight, "--calibration", "self"], 64, "--calibration: a NumPy file needs its inputs as one, got 'self'"),
                ([weight, "--calibration", inputs], 65,
                    "\(inputs): expected inputs of 64 numbers, one for each column of the weight, got 5"),
                ([bad], 65, "\(bad): the weight holds NaN or infinite numbers"),
                ([two], 65, "\(two): expected FILE.npz:NAME with one of \"a\", \"b\""),
                ([two + ":c"], 65, "\(two): no array \"c\"; expected one of \"a\", \"b\""),
                (["nowhere.npy"], 66, "nowhere.npy: cannot be read: No such file or directory"),
                (["nowhere"], 66, "nowhere: not a model folder: no such folder"),
                ([tiny + ":lm_tail"], 65, "\(tiny): no linear matrix \"lm_tail\" (see 'tessera inspect')"),
            ]
            for (arguments, status, line) in mistakes {
                let result = try CommandLineTool.run(["compare"] + arguments)
                #expect(result.errors == "error: \(line)\n")
                #expect(result.status == status, "\(line)")
                #expect(result.output.isEmpty)
            }
        }
    }
}
