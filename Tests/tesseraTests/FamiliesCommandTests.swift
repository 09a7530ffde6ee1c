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

    @Test func formsExcludeEachOther() throws {
        let result = try CommandLineTool.run("families", "--json", "--markdown")
        #expect(result.errors == "error: families: --json and --markdown exclude each other\n" && result.status == 64)
    }
}
