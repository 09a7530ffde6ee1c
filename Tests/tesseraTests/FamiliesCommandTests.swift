import Compression
import Fitting
import Foundation
import StructuredMatrices
import Testing

@Suite(.enabled(if: CommandLineTool.isBuilt, "\(CommandLineTool.skipReason)"))
struct FamiliesCommandTests {
    @Test func everyRegisteredFamilyIsListed() throws {
        let text = try CommandLineTool.run("families")
        let families = try #require(try CommandLineTool.run("families", "--json").json as? [[String: Any]])
        #expect(families.map { $0["name"] as? String } == Families.names)
        for family in Families.all {
            #expect(text.output.contains("\(family.family.name): \(family.family.summary) (\(family.family.source))"))
        }
        let lowRank = try #require(families.first { $0["name"] as? String == "low-rank" })
        #expect(lowRank["tensors"] as? [String] == ["u", "v"])
        #expect(lowRank["attributes"] as? [String] == ["rank"])
        let fitters = try #require(lowRank["fitters"] as? [[String: Any]])
        #expect(fitters.contains { $0["name"] as? String == "activation-svd" })
    }

    /// What a family stores is read off a small matrix of it, so every family must have a way to one.
    @Test func everyFamilySaysWhatItStoresAndEveryFitterIsListed() throws {
        let families = try #require(try CommandLineTool.run("families", "--json").json as? [[String: Any]])
        var fitters: [String] = []
        for family in families {
            let name = try #require(family["name"] as? String)
            #expect(try #require(family["tensors"] as? [String]).isEmpty == false, "\(name)")
            for fitter in try #require(family["fitters"] as? [[String: Any]]) {
                fitters.append(try #require(fitter["name"] as? String))
                #expect(try #require(fitter["objectives"] as? [String]).isEmpty == false)
            }
        }
        #expect(Set(fitters) == Set(Fitters.methods.map(\.name)) && fitters.count == Fitters.all.count)
    }

    /// TESSERA_UPDATE_SNAPSHOTS=1 writes the page anew, as `make families` does.
    @Test func thePageIsCurrent() throws {
        let page = CommandLineTool.packageRoot.appendingPathComponent("Docs/families.md")
        let results = "Results/families-minilm.json"
        let hasResults = FileManager.default.fileExists(
            atPath: CommandLineTool.packageRoot.appendingPathComponent(results).path)
        let generated = try CommandLineTool.run(["families", "--markdown"] + (hasResults ? ["--results", results] : [])).output
        if ProcessInfo.processInfo.environment["TESSERA_UPDATE_SNAPSHOTS"] == "1" {
            try Data(generated.utf8).write(to: page)
            return
        }
        let written = try String(contentsOf: page, encoding: .utf8)
        #expect(written == generated, "Docs/families.md is not current: make families writes it")
    }

    /// What the page says of memory holds for every fit that was measured.
    @Test func peaksOfMemoryAreWithinWhatThePageSays() throws {
        let file = CommandLineTool.packageRoot.appendingPathComponent("Results/families-minilm.json")
        let document = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        let shapes = try #require(document["matrices"] as? [[String: Any]]).compactMap { $0["shape"] as? [Int] }
        // The first of the largest is fitted alone.
        let largest = try #require(shapes.max { $0[0] * $0[1] < $1[0] * $1[1] })
        let first = try #require(shapes.first { $0[0] * $0[1] == largest[0] * largest[1] })
        let limit = StudyResults.peakMemoryFactor * 8 * (first[0] * first[1] + first[1] * first[1])
        let rows = try #require(document["rows"] as? [[String: Any]])
        let peaks = rows.compactMap { $0["peak_memory_bytes"] as? Int }
        #expect(peaks.count > 50 && peaks.allSatisfy { $0 <= limit })
    }

    @Test func formsExcludeEachOther() throws {
        let result = try CommandLineTool.run("families", "--json", "--markdown")
        #expect(result.errors == "error: families: --json and --markdown exclude each other\n" && result.status == 64)
    }
}
