import Foundation
import Testing

/// 'compress --recipe NAME': what 'recipe run' does, under one name.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct CompressRecipeTests {
    private static let bert = "Tests/TransformersTests/Resources/models/bert"
    private static let sentences = "Examples/calibration-sentences.txt"

    /// Both commands write the same folder, and say the same; the size is of the parameters that are touched.
    @Test func theFolderIsThatOfRecipeRun() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            for recipe in ["flap", "svd"] {
                func run(_ command: [String], _ name: String) throws -> (output: String, weights: Data, report: Data) {
                    let output = folder.appendingPathComponent("\(recipe)-\(name)").path
                    let result = try CommandLineTool.run(
                        command + [Self.bert, "--size", "70%", "--calibration", Self.sentences, "-o", output, "--quiet"])
                    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
                    func data(_ file: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(output)/\(file)")) }
                    return (result.output, try data("model.safetensors"), try data("report.json"))
                }
                let (one, other) = (try run(["recipe", "run", recipe], "run"), try run(["compress", "--recipe", recipe], "compress"))
                #expect(one == other)
                #expect(one.output.hasPrefix("\(recipe): "))
            }
            let report = folder.appendingPathComponent("flap-compress/report.json")
            let json = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: report)) as? [String: Any])
            #expect(json["share_of"] as? String == "the parameters that it touches")
            let touched = try #require(json["touched_parameters"] as? [Int])
            #expect(touched[1] * 10 <= touched[0] * 7)
            #expect((json["file_bytes"] as? [Int])?.count == 2)
        }
    }

    @Test func mistakesGiveOneLine() throws {
        let out = ["-o", "/tmp/none-\(UUID().uuidString)"]
        let mistakes: [([String], Int32, String)] = [
            (["--recipe", "flop"], 64, "unknown recipe 'flop', expected a YAML file or one of "),
            (
                ["--recipe", "flap", "--latency", "0.7x"], 64,
                "--latency 0.7x: flap counts the parameters that it touches: say --size 0.7x"
            ),
            (["--recipe", "ziplm", "--size", "70%"], 64, "--size 70%: ziplm counts the dense model's time: say --latency 70%"),
            (["--recipe", "flap", "--macs", "50%"], 64, "--macs is for --recipe auto: 'flap' fixes all but its size"),
            (["--recipe", "flap", "--plan-only"], 64, "--plan-only is for --recipe auto: 'flap' fixes all but its size"),
            (
                ["--recipe", "flap", "--size", "70%", "--latency", "70%"], 64,
                "--recipe flap takes one size, got --size, --latency"
            ),
            (["--recipe", "flap", "--size", "70"], 64, "budget '70': expected more than 0% and at most 100%"),
            (
                ["--recipe", "flap", "--size", "0.1%", "--calibration", Self.sentences, "--quiet"], 64,
                "0.1 % cannot be reached: the least that units leave is "
            ),
            (["--macs", "50%", "--rewrites", "most"], 64, "rewrites 'most': expected auto, none, or shares such as 90%,80%"),
        ]
        for (arguments, status, line) in mistakes {
            let result = try CommandLineTool.run(["compress", Self.bert] + arguments + out)
            #expect(result.errors.contains(line), "\(arguments): \(result.errors)")
            #expect(result.status == status && result.output.isEmpty, "\(arguments)")
        }
    }
}
