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

    @Test func everyStrategyAnswersWithinTheBudget() throws {
        try CompressionJobTests.temporary { folder in
            // All distances are in one journal: names decide nothing else.
            let all = Recipe.allocatorNames
            let plan = try Self.job(folder.appending(path: "all"), all).plan()
            for name in all { #expect(plan.notes.contains { $0.hasPrefix("\(name): ") }, "\(name)") }
            let distances = Self.distances(plan)
            #expect(distances.count > 1)
            // The winner is the closest.
            let kept = plan.notes.first { $0.hasPrefix("kept: ") } ?? ""
            let least = distances.min { ($0.value, $0.key) < ($1.value, $1.key) }
            let winner = kept.dropFirst("kept: ".count).prefix { $0 != "," }
            #expect(distances[String(winner)] == least?.value)
            let dense = plan.entries.reduce(0) { $0 + 2 * $1.shape.count }
            #expect(plan.entries.reduce(0) { $0 + $1.choice.cost.storedBytes } <= dense / 5)
            #expect(plan.recipe.contains { $0.name == "allocators" && $0.value == all.joined(separator: " ") })
        }
    }

    @Test(arguments: ["relative-error", "welore", "farms", "lq-lora"])
    func aNamedStrategyIsAskedAlone(name: String) throws {
        try CompressionJobTests.temporary { folder in
            let plan = try Self.job(folder.appending(path: "out"), [name]).plan()
            #expect(plan.notes.filter { $0.contains("output distance") }.count == 1)
            #expect(plan.notes.contains { $0.hasPrefix("kept: \(name)") })
            let dense = plan.entries.reduce(0) { $0 + 2 * $1.shape.count }
            #expect(plan.entries.reduce(0) { $0 + $1.choice.cost.storedBytes } <= dense / 5)
        }
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
            let trials = String(decoding: complete, as: UTF8.self).split(separator: "\n").count {
                $0.contains("\"trial/sample/")
            }
            #expect(trials > 1)
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
        try CompressionJobTests.temporary { folder in
            let plan = try Self.job(folder.appending(path: "out"), ["search"]).plan()
            let distances = Self.distances(plan)
            let start = try #require(distances["measured"])
            #expect(plan.notes.contains { $0.hasPrefix("search: ") })
            // Kept is the start, or something closer on the held-out text.
            let kept = plan.notes.first { $0.hasPrefix("kept: ") } ?? ""
            #expect(kept.hasPrefix("kept: measured") || distances["search"].map { $0 < start } == true)
        }
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
