import ArgumentParser
import Benchmarking
import Compression
import Foundation
import LinearAlgebra
import ModelFiles
import Tensors
import Transformers

struct BenchModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "Times several models against the first, taking turns in one run.",
        discussion: """
            Encoders: sentences a second. Causal models: tokens a second, of a prompt and of text that is \
            written. Loading is not timed. Every round runs each model once; medians and quartiles are over \
            the rounds. A model is called slower or faster when so many rounds agree that chance is unlikely (sign test, 5 %).

            Example:
              tessera bench models MINILM MINILM-HALF --text Examples/evaluation-sentences.txt
            """)

    @Argument(
        help: "Model folders, all encoders or all causal; the first is what the others are measured against.")
    var models: [String]

    @Option(
        help: ArgumentHelp(
            "Text to run on (encoders: one sentence per line); seeded random tokens without it.",
            valueName: "file"))
    var text: String?

    @Option(
        help: ArgumentHelp(
            "Sentences embedded, or texts written, together (default: 32 sentences, 1 text).", valueName: "n")
    )
    var batch: Int?

    @Option(help: ArgumentHelp("Rounds that count; one more warms up.", valueName: "n"))
    var rounds = 9

    @Option(help: ArgumentHelp("Causal models: tokens of the prompt.", valueName: "n"))
    var promptTokens = 128

    @Option(help: ArgumentHelp("Causal models: tokens written after it.", valueName: "n"))
    var newTokens = 32

    @Option(help: "Causal models: keys and values of earlier tokens in f32, f16 or int8.")
    var kvCache = CachePrecision.f32

    @OptionGroup var runtime: RuntimeOptions
    @OptionGroup var common: CommonOptions

    func validate() throws {
        let counts = [
            ("batch", batch ?? 1), ("rounds", rounds), ("prompt-tokens", promptTokens),
            ("new-tokens", newTokens),
        ]
        for (name, value) in counts where !(1...1_000_000).contains(value) {
            throw ValidationError("--\(name): expected 1 to 1000000, got \(value)")
        }
    }

    func run() throws {
        let ready = try models.map { try ReadyModel.open($0, runtime, context: common.context) }
        let loaded = ready.map(\.loaded)
        let progress = ProgressDisplay(quiet: common.quiet)
        var results: [(workload: BenchWorkload, timing: InterleavedTiming)] = []
        let workloads = try workloads(loaded)
        BenchMachine.warnOfHindrances(quiet: common.quiet)
        for workload in workloads {
            // What bounds a model that reads its weights for every token takes its turns too.
            let stream = workload.weightBytes.map { _ in StreamRead() }
            let timing = try InterleavedTiming(
                contestants: models.count + (stream == nil ? 0 : 1), rounds: .exactly(rounds),
                progress: { progress(CompressionProgress(stage: workload.name, done: $0, total: $1)) }
            ) { contestant in
                guard let stream, contestant == models.count else { return try workload.seconds(contestant) }
                return stream.seconds(context: common.context) / Double(stream.byteCount)
            }
            results.append((workload, timing))
        }
        _ = progress.finish()
        try common.json ? StandardOutput.write(document(results, ready)) : StandardOutput.write(report(results))
    }

    private func workloads(_ loaded: [LoadedModel]) throws -> [BenchWorkload] {
        if loaded[0].model is any EncoderModel {
            return [
                try .encode(
                    loaded, try loaded.map { try $0.encoder(for: "bench against an encoder") }, text: text,
                    batch: batch ?? 32, context: common.context)
            ]
        }
        let causal = try loaded.map { try $0.causal(for: "bench against a causal model") }
        return try BenchWorkload.generation(
            loaded, causal, text: text, batch: batch ?? 1, promptTokens: promptTokens, newTokens: newTokens,
            cache: kvCache, context: common.context)
    }

    private var machine: [(key: String, value: String)] {
        BenchMachine.facts + [("threads", "\(common.context.threads)")]
    }

    private func report(_ results: [(workload: BenchWorkload, timing: InterleavedTiming)]) -> String {
        let facts = BenchMachine.facts.map { $0.value }
        var text =
            "\(facts[0]), \(common.context.threads) threads, \(facts[1]) kernels, \(facts[2]); "
            + "\(rounds) rounds taken in turns, median (quartiles)\n"
        for (workload, timing) in results {
            var table = TextTable([.left, .right, .left, .right, .left])
            table.append([workload.name, workload.unit, "", "times the first", ""])
            for (index, model) in models.enumerated() {
                let rate = timing.rate(index, work: workload.work)
                var row = [
                    model, Self.figure(rate.median),
                    "(\(Self.figure(rate.lower)) to \(Self.figure(rate.upper)))",
                ]
                if index > 0 {
                    let speedup = timing.speedup(index)
                    let verdict = "\(Self.range(speedup)) \(timing.verdict(index).rawValue)"
                    row += [FigureText.fixed(speedup.median, decimals: 2), verdict]
                }
                table.append(row)
            }
            text += "\n\(workload.name): \(workload.description)\n\(table.text)"
            text += shares(workload, timing)
        }
        return text
    }

    /// How near the models come to reading their weights once a token at the speed of memory.
    private func shares(_ workload: BenchWorkload, _ timing: InterleavedTiming) -> String {
        guard let weightBytes = workload.weightBytes else { return "" }
        let reads = timing.rate(models.count, work: 1).median
        var table = TextTable([.left, .right, .right, .right])
        table.append([
            "weights read for a token", "bytes", "GB/s",
            "of reading memory at \(FigureText.fixed(reads * 1e-9, decimals: 1)) GB/s",
        ])
        for (index, model) in models.enumerated() {
            let rate = timing.rate(index, work: workload.passes * Double(weightBytes[index])).median
            table.append([
                model, FigureText.bytes(weightBytes[index]), FigureText.fixed(rate * 1e-9, decimals: 1),
                FigureText.percent(rate / reads),
            ])
        }
        return table.text
    }

    private static func range(_ spread: InterleavedTiming.Spread) -> String {
        "(\(FigureText.fixed(spread.lower, decimals: 2)) to \(FigureText.fixed(spread.upper, decimals: 2)))"
    }

    private static func figure(_ rate: Double) -> String {
        guard rate.isFinite, rate < 1e15 else { return FigureText.absent }
        return rate < 100 ? FigureText.fixed(rate, decimals: 1) : FigureText.grouped(Int(rate.rounded()))
    }

    private func document(
        _ results: [(workload: BenchWorkload, timing: InterleavedTiming)], _ ready: [ReadyModel]
    ) -> JSONValue {
        var object = JSONObject()
        for (key, value) in machine { object[key] = .string(value) }
        object["rounds"] = JSONValue(rounds)
        object["activations"] = .string(runtime.activations.rawValue)
        object["start_up"] = .array(ready.map(\.startUp))
        object["workloads"] = .array(
            results.map { workload, timing in
                [
                    "name": .string(workload.name), "unit": .string(workload.unit),
                    "measured_on": .string(workload.description),
                    "stream_read_bytes_per_second": JSONValue(
                        workload.weightBytes.map { _ in timing.rate(models.count, work: 1).median }),
                    "models": .array(
                        models.enumerated().map { index, model in
                            [
                                "model": .string(model),
                                "rate": Self.document(timing.rate(index, work: workload.work)),
                                "times_the_first": Self.document(timing.speedup(index)),
                                "verdict": index > 0 ? .string(timing.verdict(index).rawValue) : .null,
                                "weight_bytes": workload.weightBytes.map { JSONValue($0[index]) } ?? .null,
                                "weight_bytes_per_second": JSONValue(
                                    workload.weightBytes.map {
                                        timing.rate(index, work: workload.passes * Double($0[index])).median
                                    }),
                                "seconds": .array(timing.seconds[index].map { JSONValue($0) }),
                            ]
                        }),
                ]
            })
        return .object(object)
    }

    private static func document(_ spread: InterleavedTiming.Spread) -> JSONValue {
        [
            "median": JSONValue(spread.median), "lower_quartile": JSONValue(spread.lower),
            "upper_quartile": JSONValue(spread.upper),
        ]
    }
}
