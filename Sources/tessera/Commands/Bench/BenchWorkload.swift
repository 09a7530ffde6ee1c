import Benchmarking
import Foundation
import Tensors
import Transformers

/// A fixed piece of work that every model of a benchmark does.
struct BenchWorkload {
    /// "encode", "prefill", "decode".
    let name: String
    let unit: String
    /// Units done by one run.
    let work: Double
    /// What it runs on, in words.
    let description: String
    /// Bytes of weights that every model reads in one pass, where that is what bounds its speed.
    var weightBytes: [Int]?
    /// Passes of one run.
    var passes = 0.0
    /// Lets a model do it once and returns the seconds it took.
    let seconds: (_ model: Int) throws -> Double

    private static let clock = ContinuousClock()
    private static func timed(_ body: () throws -> Void) rethrows -> Double {
        try clock.measure(body).inSeconds
    }

    /// - Throws: what reading the text throws.
    static func encode(
        _ loaded: [LoadedModel], _ encoders: [any EncoderModel], text: String?, batch: Int,
        context: ExecutionContext
    ) throws -> BenchWorkload {
        let sequences: [[[Int]]]
        let source: String
        if let text {
            let sentences = try TextFile.sentences(text)
            sequences = loaded.map { model in sentences.map { model.tokens($0) } }
            source = "\(sentences.count) sentences of \(URL(fileURLWithPath: text).lastPathComponent)"
        } else {
            let vocabulary = encoders.map(\.vocabularySize).min() ?? 1
            let longest = encoders.map(\.maximumPositions).min() ?? 1
            var generator = SeededGenerator(seed: 0, stream: "bench")
            let random = (0..<128).map { _ in
                let length = min(longest, 8 + Int(generator.nextUniform() * 25))
                return (0..<length).map { _ in
                    min(vocabulary - 1, Int(generator.nextUniform() * Double(vocabulary)))
                }
            }
            sequences = loaded.map { _ in random }
            source = "128 sequences of 8 to 32 random tokens"
        }
        // As whoever embeds many sentences does; among equals the order stays.
        let sorted = sequences.map { $0.sorted { $0.count < $1.count } }
        return BenchWorkload(
            name: "encode", unit: "sentences/s", work: Double(sequences.first?.count ?? 0),
            description: "\(source), \(batch) of about one length together"
        ) { model in
            try timed {
                for first in stride(from: 0, to: sorted[model].count, by: batch) {
                    let last = min(first + batch, sorted[model].count)
                    _ = try encoders[model].embed(Array(sorted[model][first..<last]), context: context)
                }
            }
        }
    }

    /// Reading a prompt, and writing after it; tokens are given, so that every model does the same work.
    /// - Throws: what reading the text throws; `CommandError.conflictingOptions` when the models have too few
    ///   positions.
    static func generation(
        _ loaded: [LoadedModel], _ models: [any CausalModel], text: String?, batch: Int, promptTokens: Int,
        newTokens: Int, cache: CachePrecision, context: ExecutionContext
    ) throws -> [BenchWorkload] {
        let positions = models.map(\.maximumPositions).min() ?? 0
        let count = promptTokens + newTokens
        guard count <= positions else {
            throw CommandError.conflictingOptions(
                "--prompt-tokens \(promptTokens) and --new-tokens \(newTokens) are more than the "
                    + "\(positions) positions of the models"
            )
        }
        let streams: [[Int]]
        let source: String
        if let text {
            let whole = try TextFile.whole(text)
            streams = loaded.map { $0.tokenizer.encode(whole, addSpecialTokens: false) }
            source = "of \(text)"
        } else {
            let vocabulary = models.map(\.vocabularySize).min() ?? 1
            var generator = SeededGenerator(seed: 0, stream: "bench")
            let random = (0..<count * batch).map { _ in
                min(vocabulary - 1, Int(generator.nextUniform() * Double(vocabulary)))
            }
            streams = loaded.map { _ in random }
            source = "drawn at random"
        }
        if let text, streams.contains(where: \.isEmpty) { throw CommandError.emptyText(path: text) }
        // Text `index` of a batch begins where the one before it ends; a short file begins again.
        let texts = streams.map { stream in
            (0..<batch).map { index in (0..<count).map { stream[(index * count + $0) % stream.count] } }
        }
        func prompts(_ model: Int) -> [[Int]] { texts[model].map { Array($0.prefix(promptTokens)) } }
        let together = batch == 1 ? "" : ", \(batch) texts together"

        // Short runs are repeated, as often for every model, so that the clock's grain does not matter.
        let once = try timed {
            var caches = texts[0].map { _ in models[0].makeCache(cache) }
            _ = try models[0].advance(prompts(0), caches: &caches, context: context)
        }
        let repetitions = max(1, min(1000, Int((0.1 / max(once, 1e-6)).rounded(.up))))
        return [
            BenchWorkload(
                name: "prefill", unit: "tokens/s", work: Double(promptTokens * batch * repetitions),
                description: "prompts of \(promptTokens) tokens \(source)\(together)"
            ) { model in
                let prompts = prompts(model)
                return try timed {
                    for _ in 0..<repetitions {
                        var caches = prompts.map { _ in models[model].makeCache(cache) }
                        _ = try models[model].advance(prompts, caches: &caches, context: context)
                    }
                }
            },
            BenchWorkload(
                name: "decode", unit: "tokens/s", work: Double(newTokens * batch),
                description: "\(newTokens) tokens after prompts of \(promptTokens) \(source)\(together)",
                weightBytes: batch == 1 ? models.map(weightBytes) : nil, passes: Double(newTokens)
            ) { model in
                var caches = texts[model].map { _ in models[model].makeCache(cache) }
                _ = try models[model].advance(prompts(model), caches: &caches, context: context)
                return try timed {
                    for step in promptTokens..<count {
                        _ = try models[model].advance(
                            texts[model].map { [$0[step]] }, caches: &caches, context: context)
                    }
                }
            },
        ]
    }

    /// Bytes of all matrices that one token is multiplied with; tables that are only looked up are left out.
    private static func weightBytes(_ model: any CausalModel) -> Int {
        model.sites.reduce(0) { sum, site in
            site.role == .embedding && site.input == nil ? sum : sum + model[site: site.name].cost.storedBytes
        }
    }
}
