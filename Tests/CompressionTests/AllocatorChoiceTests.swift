import Compression
import Foundation
import Tensors
import Testing

/// Strategies at work on two matrices of the language model that ships.
@Suite struct AllocatorChoiceTests {
    private static func job(
        _ output: URL, _ allocators: [String], budget: Budget = Budget(quantity: .bytes, fraction: 0.2),
        threads: Int = 2
    ) -> CompressionJob {
        var job = CompressionJobTests.job(output, budget: budget, families: ["quantized", "low-rank"], threads: threads)
        job.recipe.allocators = allocators
        return job
    }

    /// What the notes say of each strategy's distance.
    private static func distances(_ plan: Plan) -> [String: Double] {
        var found: [String: Double] = [:]
        for note in plan.notes {
            let parts = note.components(separatedBy: ": output distance ")
            if parts.count == 2, let number = Double(parts[1].prefix { $0 != " " }) { found[parts[0]] = number }
        }
        return found
    }

    private static func plan(_ allocators: [String]) throws -> Plan {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-allocators-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: URL(filePath: folder.path + ".journal")) }
        return try job(folder, allocators).plan()
    }

    private static func kept(_ plan: Plan) -> String {
        let note = plan.notes.first { $0.hasPrefix("kept: ") } ?? ""
        return String(note.dropFirst("kept: ".count).prefix { $0 != "," })
    }

    private static func isWithinAFifth(_ plan: Plan) -> Bool {
        let bytes = plan.entries.reduce(0) { $0 + $1.choice.cost.storedBytes }
        return 5 * bytes <= plan.entries.reduce(0) { $0 + 2 * $1.shape.count }
    }

    @Test func everyStrategyAnswersWithinTheBudget() throws {
        let all = Recipe.allocatorNames
        let plan = try Self.plan(all)
        for name in all {
            let said = plan.notes.contains { $0.hasPrefix("\(name): ") }
            #expect(said, "\(name)")
        }
        // The winner is the closest.
        let distances = Self.distances(plan)
        #expect(distances.count > 1)
        #expect(distances[Self.kept(plan)] == distances.values.min())
        #expect(Self.isWithinAFifth(plan))
        let recorded = plan.recipe.first { $0.name == "allocators" }?.value
        #expect(recorded == all.joined(separator: " "))
    }

    @Test(arguments: ["relative-error", "welore", "farms", "lq-lora"])
    func aNamedStrategyIsAskedAlone(name: String) throws {
        let plan = try Self.plan([name])
        #expect(Self.distances(plan).keys.sorted() == [name])
        #expect(Self.kept(plan) == name)
        #expect(Self.isWithinAFifth(plan))
    }

    @Test func theSearchIsTheSameOnAnyThreadsAndAfterAKill() throws {
        try CompressionJobTests.temporary { folder in
            let names = ["measured", "in-context", "search"]
            let budget = Budget(quantity: .multiplyAdds, fraction: 0.4)
            let whole = folder.appending(path: "whole")
            let expected = try Self.job(whole, names, budget: budget).plan()
            let single = try Self.job(folder.appending(path: "single"), names, budget: budget, threads: 1).plan()
            #expect(single.json == expected.json)

            let records = URL(filePath: whole.path + ".journal/records.jsonl")
            let complete = try Data(contentsOf: records)
            #expect(String(decoding: complete, as: UTF8.self).contains("trial/sample/"))
            for share in [0.5, 0.9] {
                try complete.prefix(Int(share * Double(complete.count))).write(to: records)
                #expect(try Self.job(whole, names, budget: budget).plan().json == expected.json)
            }
            // Nothing is measured twice: a run on the whole journal adds nothing to it.
            let before = try Data(contentsOf: records)
            #expect(try Self.job(whole, names, budget: budget).plan().json == expected.json)
            #expect(try Data(contentsOf: records) == before)
        }
    }

    @Test func refinementsStartSomewhereAndAreNeverWorse() throws {
        let plan = try Self.plan(["search"])
        let distances = Self.distances(plan)
        let start = try #require(distances["measured"])
        let said = plan.notes.contains { $0.hasPrefix("search: ") }
        #expect(said)
        // Kept is the start, or something closer on the held-out text.
        let kept = try #require(distances[Self.kept(plan)])
        #expect(kept <= start)
    }

    @Test func anUnknownNameIsRefusedBeforeAnyWork() throws {
        try CompressionJobTests.temporary { folder in
            let output = folder.appending(path: "out")
            #expect(throws: CompressionError.unknownAllocator(name: "oracle", known: Recipe.allocatorNames)) {
                try Self.job(output, ["measured", "oracle"]).plan()
            }
            #expect(!FileManager.default.fileExists(atPath: output.path + ".journal"))
            let text = "\(CompressionError.unknownAllocator(name: "oracle", known: ["measured", "search"]))"
            #expect(text == "unknown allocator 'oracle', expected one of measured, search")
        }
    }
}
