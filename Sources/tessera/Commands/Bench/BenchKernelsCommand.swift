import ArgumentParser
import Benchmarking
import Compression
import Foundation
import ModelFiles
import StructuredMatrices
import Tensors

struct BenchKernelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Times structured products against dense ones of the same shape.",
        discussion: """
            Matrices are random, at about half of the dense parameters where the form leaves a choice. In \
            every round each contestant has one turn: our dense product, the linear algebra library's (on \
            one thread, with its rows shared among our threads, on threads of its own), every family, and \
            plain reading of memory. Results are checked in the same run. "times best" is against the \
            fastest dense product of all, "ideal" what the bytes (batch 1) or the multiply-adds (larger batches) promise.

            Example:
              tessera bench kernels --shapes 1024x1024,4096x4096 --batch 1,64 --threads 1,2
            """)

    @Option(help: ArgumentHelp("Rows x columns, separated by commas.", valueName: "list"))
    var shapes = "384x1536,1024x1024,1024x4096,4096x4096"

    @Option(help: ArgumentHelp("Input rows multiplied together.", valueName: "list"))
    var batch = "1,8,64,512"

    @Option(help: ArgumentHelp("Numbers of threads.", valueName: "list"))
    var threads = "1,2"

    @Option(
        help: ArgumentHelp("f32, bf16, f16: how dense weights and factors are stored.", valueName: "list"))
    var precision = "f32"

    @Option(
        help: ArgumentHelp("Which forms to time (default: all; names as in the table).", valueName: "list"))
    var families: String?

    @Option(
        help: ArgumentHelp("Parameters of the structured matrices, of a dense one's.", valueName: "share"))
    var size = "50%"

    @Option(
        help: "Inputs of bf16 matrices: bf16 rounds them where the processor multiplies bf16 with bf16 (AVX512_BF16).")
    var activations = ActivationsOption.f32

    @Flag(
        exclusivity: .exclusive,
        help: "Weights from memory (the default), or again and again the same, or both.")
    var temperature = Temperatures.cold

    @Option(help: ArgumentHelp("Seconds of turns for each contestant of a case.", valueName: "seconds"))
    var seconds = 0.06

    @Flag(help: "No progress on standard error.")
    var quiet = false

    @Flag(help: "Results as JSON.")
    var json = false

    enum Temperatures: String, EnumerableFlag { case cold, hot, both }

    func validate() throws { _ = try bench() }

    private func bench() throws -> KernelBench {
        let share = Double(size.hasSuffix("%") ? String(size.dropLast()) : size).map {
            size.hasSuffix("%") ? $0 / 100 : $0
        }
        guard let share, share > 0, share <= 1 else {
            throw ValidationError("--size: expected a share such as 50% or 0.5, got '\(size)'")
        }
        guard seconds > 0, seconds <= 3600 else {
            throw ValidationError("--seconds: expected a number above 0, at most 3600, got \(seconds)")
        }
        var bench = KernelBench(
            shapes: try BenchList.shapes("shapes", shapes),
            batches: try BenchList.counts("batch", batch, to: 1 << 14),
            threads: try BenchList.counts("threads", threads, to: ExecutionContext.mostThreads),
            precisions: try BenchList.names("precision", precision, Precision.self), families: try chosen(),
            share: share,
            temperatures: temperature == .both ? [.cold, .hot] : temperature == .hot ? [.hot] : [.cold])
        bench.rounds.seconds = seconds
        bench.activations = activations.rounding
        return bench
    }

    private func chosen() throws -> [RandomFamily] {
        guard let families else { return RandomFamily.all }
        let known = RandomFamily.all.map { $0.name }
        let names = try BenchList.values(
            "families", families, expected: "some of \(known.joined(separator: ", "))"
        ) { name in
            known.contains(name) ? name : nil
        }
        return RandomFamily.all.filter { names.contains($0.name) }
    }

    func run() throws {
        let bench = try bench()
        BenchMachine.warnOfHindrances(quiet: quiet)
        let progress = ProgressDisplay(quiet: quiet)
        var cases: [KernelCase] = []
        if !json { try StandardOutput.write(KernelCaseTable.heading + "\n") }
        try bench.run { result in
            cases.append(result)
            progress(CompressionProgress(stage: "kernels", done: cases.count, total: bench.caseCount))
            if !json { try StandardOutput.write("\n" + KernelCaseTable(result).text) }
        }
        _ = progress.finish()
        guard json else { return }
        var object = JSONObject()
        for (key, value) in BenchMachine.facts { object[key] = .string(value) }
        object["activations"] = .string(activations.rawValue)
        object["last_level_cache_bytes"] = JSONValue(LastLevelCache.byteCount)
        object["cases"] = .array(cases.map { $0.document })
        try StandardOutput.write(.object(object))
    }
}
