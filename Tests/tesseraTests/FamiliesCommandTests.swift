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
        let fitters = try #require(lowRank["fitters"] as? [[String: Any]])
        #expect(fitters.contains { $0["name"] as? String == "activation-svd" })
    }
}
