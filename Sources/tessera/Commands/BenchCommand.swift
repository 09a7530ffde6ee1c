import ArgumentParser
import Benchmarking
import Compression
import Foundation
import LinearAlgebra
import ModelFiles
import Tensors
import Transformers

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Times several models against the first, taking turns in one run.",
        discussion: """
            Encoders: sentences a second. Causal models: tokens a second, of a prompt and of text that is written. \
            Loading is not timed. Every round runs each model once; medians and quartiles are over the rounds. A model is \
            called slower or faster when so many rounds agree that chance is unlikely (sign test, 5 %).

            Example:
              tessera bench MINILM MINILM-HALF --text Examples/evaluation-sentences.txt
            """)

    @Argument(help: "Model folders, all encoders or all causal; the first is what the others are measured against.")
    var models: [String]

    @Option(help: ArgumentHelp("Text to run on (encoders: one sentence per line); seeded random tokens without it.", valueName: "file"))
    var text: String?

    @Option(help: ArgumentHelp("Sentences embedded, or texts written, together (default: 32 sentences, 1 text).", valueName: "n"))
    var batch: Int?

    @Option(help: ArgumentHelp("Rounds that count; one more warms up.", valueName: "n"))
    var rounds = 9

    @Option(help: ArgumentHelp("Causal models: tokens of the prompt.", valueName: "n"))
    var promptTokens = 128

    @Option(help: ArgumentHelp("Causal models: tokens written after it.", valueName: "n"))
    var newTokens = 32

    @OptionGroup var common: CommonOptions

    func validate() throws {
        let counts = [("batch", batch ?? 1), ("rounds", rounds), ("prompt-tokens", promptTokens), ("new-tokens", newTokens)]
        for (name, value) in counts where !(1...1_000_000).contains(value) {
            throw ValidationError("--\(name): expected 1 to 1000000, got \(value)")
        }
    }

    func run() throws {
        let loaded = try models.map { try LoadedModel.open($0) }
        let hindering = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"].filter { ProcessInfo.processInfo.environment[$0] != nil }
        if !hindering.isEmpty, !common.quiet {
            standardError("\(hindering.joined(separator: " and ")) set in the environment: OpenBLAS may be slower than it can be\n")
        }
        let progress = ProgressDisplay(quiet: common.quiet)
        var results: [(workload: BenchWorkload, timing: InterleavedTiming)] = []
        for workload in try workloads(loaded) {
            let timing = try InterleavedTiming(
                contestants: models.count, rounds: .exactly(rounds),
                progress: { progress(CompressionProgress(stage: workload.name, done: $0, total: $1)) },
                workload.seconds)
            results.append((workload, timing))
        }
        _ = progress.finish()
        try common.json ? StandardOutput.write(document(results)) : StandardOutput.write(report(results))
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
            context: common.context)
    }

    private var machine: [(key: String, value: String)] {
        [
            ("processor", ProcessorName.current), ("threads", "\(common.context.threads)"),
            ("linear_algebra", LinearAlgebraLibrary.description),
        ]
    }

    private func report(_ results: [(workload: BenchWorkload, timing: InterleavedTiming)]) -> String {
        var text = "\(machine[0].value), \(common.context.threads) threads, \(machine[2].value); "
            + "\(rounds) rounds taken in turns, median (quartiles)\n"
        for (workload, timing) in results {
            var table = TextTable([.left, .right, .left, .right, .left])
            table.append([workload.name, workload.unit, "", "times the first", ""])
            for (index, model) in models.enumerated() {
                let rate = timing.rate(index, work: workload.work)
                var row = [model, Self.figure(rate.median), "(\(Self.figure(rate.lower)) to \(Self.figure(rate.upper)))"]
                if index > 0 {
                    let speedup = timing.speedup(index)
                    let verdict = "\(Self.range(speedup)) \(timing.verdict(index).rawValue)"
                    row += [FigureText.fixed(speedup.median, decimals: 2), verdict]
                }
                table.append(row)
            }
            text += "\n\(workload.name): \(workload.description)\n\(table.text)"
        }
        return text
    }

    private static func range(_ spread: InterleavedTiming.Spread) -> String {
        "(\(FigureText.fixed(spread.lower, decimals: 2)) to \(FigureText.fixed(spread.upper, decimals: 2)))"
    }

    private static func figure(_ rate: Double) -> String {
        guard rate.isFinite, rate < 1e15 else { return FigureText.absent }
        return rate < 100 ? FigureText.fixed(rate, decimals: 1) : FigureText.grouped(Int(rate.rounded()))
    }

    private func document(_ results: [(workload: BenchWorkload, timing: InterleavedTiming)]) -> JSONValue {
        var object = JSONObject()
        for (key, value) in machine { object[key] = .string(value) }
        object["rounds"] = JSONValue(rounds)
        object["workloads"] = .array(
            results.map { workload, timing in
                [
                    "name": .string(workload.name), "unit": .string(workload.unit),
                    "measured_on": .string(workload.description),
                    "models": .array(
                        models.enumerated().map { index, model in
                            [
                                "model": .string(model), "rate": Self.document(timing.rate(index, work: workload.work)),
                                "times_the_first": Self.document(timing.speedup(index)),
                                "verdict": index > 0 ? .string(timing.verdict(index).rawValue) : .null,
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
