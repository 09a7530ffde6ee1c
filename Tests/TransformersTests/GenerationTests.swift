import Foundation
import Tensors
import Testing
import Transformers

@Suite struct GenerationTests {
    private let context = ExecutionContext(threads: 2)

    @Test func temperatureZeroIsTheFirstOfTheLargest() throws {
        var sampler = try Sampler(generator: SeededGenerator(seed: 1))
        #expect(sampler.next([0.5, 2, 2, -1]) == 1)
        #expect(Sampler.greedy([Float]()) == 0)
    }

    @Test func frequenciesFollowTheDistribution() throws {
        // Probabilities 0.6, 0.3, 0.1: five standard errors of 20000 draws are below 0.018.
        let logits = [0.6, 0.3, 0.1].map { Float(log($0)) }
        var sampler = try Sampler(temperature: 1, generator: SeededGenerator(seed: 2))
        var counts = [0, 0, 0]
        for _ in 0..<20000 { counts[sampler.next(logits)] += 1 }
        for (count, share) in zip(counts, [0.6, 0.3, 0.1]) {
            #expect(abs(Double(count) / 20000 - share) < 0.018)
        }
    }

    @Test func theNucleusLeavesTheTailOut() throws {
        let logits = [0.1, 0.6, 0.3].map { Float(log($0)) }
        var sampler = try Sampler(temperature: 1, topP: 0.8, generator: SeededGenerator(seed: 3))
        var counts = [0, 0, 0]
        for _ in 0..<6000 { counts[sampler.next(logits)] += 1 }
        #expect(counts[0] == 0)
        #expect(abs(Double(counts[1]) / 6000 - 2 / 3.0) < 0.03)
        var narrow = try Sampler(temperature: 1, topP: 0.01, generator: SeededGenerator(seed: 3))
        #expect((0..<50).allSatisfy { _ in narrow.next(logits) == 1 })
    }

    @Test func scoresThatAreNoNumbersDoNotTrap() throws {
        var sampler = try Sampler(temperature: 1, topP: 0.9, generator: SeededGenerator(seed: 4))
        #expect(0..<3 ~= sampler.next([.nan, .nan, .nan]))
        #expect(0..<3 ~= sampler.next([.infinity, 0, -.infinity]))
        #expect(0..<3 ~= sampler.next([-.infinity, -.infinity, -.infinity]))
    }

    @Test(arguments: [(-1.0, 1.0), (.nan, 1), (.infinity, 1), (1, 0), (1, 1.5), (1, .nan)])
    func optionsAreChecked(temperature: Double, topP: Double) {
        #expect(throws: TransformersError.self) {
            try Sampler(temperature: temperature, topP: topP, generator: SeededGenerator(seed: 1))
        }
    }

    @Test func theSeedDecides() throws {
        let model = try SmallModels.llama()
        var options = GenerationOptions(maximumTokens: 20, temperature: 1, topP: 0.95, seed: 11)
        let first = try model.generate([1, 2], options: options, context: context)
        #expect(try model.generate([1, 2], options: options, context: .serial) == first)
        options.seed = 12
        #expect(try model.generate([1, 2], options: options, context: context) != first)
    }

    @Test func sideBySideEqualsGreedyAlone() throws {
        let model = try SmallModels.llama()
        let prompts = [[1, 2, 3], [9], [30, 31, 32, 33, 34]]
        let options = GenerationOptions(maximumTokens: 12)
        let together = try model.generate(prompts, options: options, context: context)
        for (prompt, result) in zip(prompts, together) {
            #expect(try model.generate(prompt, options: options, context: context) == result)
        }
    }

    @Test func everyEnd() throws {
        let model = try SmallModels.llama()
        let free = try model.generate([1, 2], options: GenerationOptions(maximumTokens: 6), context: context)
        #expect(free.tokens.count == 6 && free.end == .maximumTokens)

        let stop = free.tokens[3]
        let before = free.tokens.firstIndex(of: stop) ?? 0
        let stopped = try model.generate(
            [1, 2], options: GenerationOptions(maximumTokens: 6, stopTokens: [stop]), context: context)
        #expect(stopped == Generation(tokens: Array(free.tokens[..<before]), end: .stopToken))

        var seen: [Int] = []
        let cancelled = try model.generate(
            [1, 2], options: GenerationOptions(maximumTokens: 6), context: context
        ) { token in
            seen.append(token)
            return seen.count < 2
        }
        #expect(cancelled == Generation(tokens: Array(free.tokens[..<2]), end: .cancelled))
        #expect(seen == cancelled.tokens)

        // 48 positions hold the prompt and all but the last new token.
        let full = try model.generate(
            [1, 2], options: GenerationOptions(maximumTokens: 1000), context: context)
        #expect(full.end == .contextFull && full.tokens.count == 47)

        #expect(
            try model.generate([1, 2], options: GenerationOptions(maximumTokens: 0), context: context).tokens
                .isEmpty)
        #expect(throws: TransformersError.emptySequence) {
            try model.generate([Int](), options: GenerationOptions(), context: context)
        }
    }
}
