import Benchmarking
import Foundation
import Testing

/// What `bench` prints; how fast anything is, no test says.
@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct BenchCommandTests {
    @Test func kernelsAsJSON() throws {
        let result = try CommandLineTool.run(
            "bench", "kernels", "--shapes", "64x96", "--batch", "9", "--threads", "1", "--hot", "--seconds",
            "0.0001",
            "--precision", "f32,f16", "--json", "--quiet")
        #expect(result.status == 0)
        #expect(result.errors.isEmpty)
        let document = try #require(try result.json as? [String: Any])
        for key in ["processor", "kernels", "linear_algebra"] { #expect(document[key] is String, "\(key)") }
        let cases = try #require(document["cases"] as? [[String: Any]])
        #expect(cases.count == 2)
        var families: Set<String> = []
        for entry in cases {
            let products = try #require(entry["products"] as? [[String: Any]])
            #expect(products.first?["family"] as? String == "dense")
            families.formUnion(products.compactMap { $0["family"] as? String })
        }
        #expect(families == Set(["dense"] + RandomFamily.all.map { $0.name }))
    }

    @Test func kernelsAsTable() throws {
        let result = try CommandLineTool.run(
            "bench", "kernels", "--shapes", "32x32", "--batch", "1", "--threads", "1", "--hot", "--seconds",
            "0.0001",
            "--families", "low-rank,int8", "--quiet")
        #expect(result.status == 0)
        for text in ["32 x 32, batch 1, 1 thread, f32, hot", "\nlow-rank ", "\nint8 ", "reading memory"] {
            #expect(result.output.contains(text), "\(text)")
        }
        #expect(!result.output.contains("monarch"))
        #expect(result.errors.isEmpty)
    }

    @Test func unknownFamiliesAreNamed() throws {
        let result = try CommandLineTool.run("bench", "kernels", "--families", "low-rank,circulant")
        let known = RandomFamily.all.map { $0.name }.joined(separator: ", ")
        #expect(
            result.errors
                == "error: --families: expected some of \(known), separated by commas, got 'low-rank,circulant'\n"
        )
        #expect(result.status == 64)
    }

    @Test func madeModelsAreTimed() throws {
        try CommandLineTool.withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("model").path
            let made = try CommandLineTool.run(
                "bench", "--make-model", path, "--kind", "llama", "--parameters", "15M", "--precision",
                "int4", "--json",
                "--quiet")
            #expect(made.status == 0)
            #expect(try made.number("bytes") ?? 0 > 8e6)
            let result = try CommandLineTool.run(
                "bench", path, "--rounds", "1", "--prompt-tokens", "2", "--new-tokens", "1", "--json",
                "--quiet")
            #expect(result.status == 0)
            let workloads = try #require(
                (try result.json as? [String: Any])?["workloads"] as? [[String: Any]])
            #expect(workloads.compactMap { $0["name"] as? String } == ["prefill", "decode"])
            // Every matrix is read once a token; the embedding is the head too: 15.2 M codes of 4 bits, a
            // scale for 32.
            let models = try #require(workloads[1]["models"] as? [[String: Any]])
            let bytes = try #require(models[0]["weight_bytes"] as? Int)
            #expect(bytes == 15_187_968 / 2 + 15_187_968 / 32 * 2)
            #expect(try #require(workloads[1]["stream_read_bytes_per_second"] as? Double) > 0)
        }
    }
}
