import Foundation
import Testing

/// What `--dry-run` says of memory is true: the peak of the run is below it.
@Suite(
    .serialized, .enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"),
    .enabled(if: FileManager.default.fileExists(atPath: "/proc/self/status"), "the system does not tell peaks of memory"))
struct MemoryForecastTests {
    private static func peaks(_ arguments: [String], _ folder: URL) throws -> (forecast: Int, peak: Int) {
        let output = folder.appendingPathComponent("out")
        let arguments = arguments + ["--quiet", "--threads", "2", "-o", output.path]
        let dry = try CommandLineTool.run(arguments + ["--dry-run"])
        try #require(dry.status == 0, "\(dry.errors)")
        let words = try #require(dry.output.split(separator: "\n").first { $0.hasPrefix("memory") }).split(separator: " ")
        let forecast = try #require(words.dropFirst(2).first.flatMap { Int($0) }) << 20
        let result = try CommandLineTool.run(arguments)
        try #require(result.status == 0, "\(result.errors)")
        let timings = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: output.path + ".timings.json")))
        let peak = try #require((timings as? [String: Any])?["peak_resident_bytes"] as? Int)
        return (forecast, peak)
    }

    @Test(
        .enabled(if: ProcessInfo.processInfo.environment["TESSERA_SLOW"] == "1", "slow: set TESSERA_SLOW=1"), arguments: [nil, "150M"])
    func theShippedModelStaysBelow(memory: String?) throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let (forecast, peak) = try Self.peaks(
                [
                    "compress", CommandLineTool.tinyLlama, "--size", "40%", "--families", "quantized,low-rank",
                    "--only", "model.layers.0.*", "--calibration", "Examples/calibration-prose.txt",
                ] + (memory.map { ["--memory", $0] } ?? []), folder)
            #expect(peak <= forecast, "\(peak >> 20) MiB of \(forecast >> 20)")
            // No use in a forecast that is far too high either.
            #expect(peak * 6 > forecast, "\(peak >> 20) MiB of \(forecast >> 20)")
        }
    }
}
