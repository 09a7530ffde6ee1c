import Foundation
import LinearAlgebra
import StructuredMatrices
import Tensors

/// One case: everyone multiplies the same inputs, in turns.
struct KernelContest {
    private let entrants: [KernelEntrant]
    private let products: [TimedProduct]
    private let input: Matrix
    private let libraries: [LibraryProduct]
    /// The library on threads of its own, apart from the others: its threads go on spinning after a call.
    private let threadedLibrary: LibraryProduct?
    private let temperature: Temperature
    private let context: ExecutionContext
    private let stream: StreamRead
    private let settings: KernelBench

    init(
        _ entrants: [KernelEntrant], batch: Int, temperature: Temperature, context: ExecutionContext,
        stream: StreamRead,
        settings: KernelBench
    ) {
        var generator = SeededGenerator(seed: settings.seed, stream: "inputs")
        let input = generator.matrix(rows: batch, columns: entrants[0].checkedWeights.columns)
        self.entrants = entrants
        self.input = input
        func copies<Copy>(_ all: [Copy]) -> [Copy] { temperature == .cold ? all : Array(all.prefix(1)) }
        products = entrants.map { TimedProduct(copies($0.copies), input: input) }
        func library(_ threading: LibraryProduct.Threading) -> LibraryProduct {
            LibraryProduct(
                copies(entrants[0].plain), rows: entrants[0].rows, input: input, threading: threading)
        }
        libraries = [library(.oneThread)] + (context.threads > 1 ? [library(.ourTeam)] : [])
        threadedLibrary = context.threads > 1 ? library(.itsOwn(context.threads)) : nil
        (self.temperature, self.context, self.stream, self.settings) = (
            temperature, context, stream, settings
        )
    }

    /// Runs the contest.
    func measured(shape: MatrixShape, precision: Precision) -> KernelCase {
        let context = context
        let turns: [Int] = products.map { $0.repetitions(forSeconds: settings.turn, context: context) }
        let libraryTurns = libraries.map { $0.repetitions(forSeconds: settings.turn, context: context) }
        // Beyond small batches nothing is as fast as memory.
        let patterns = input.rows <= 8 ? StreamRead.Pattern.allCases : []
        let firstLibrary = products.count
        let firstStream = firstLibrary + libraries.count
        let timing = InterleavedTiming(contestants: firstStream + patterns.count, rounds: rounds) {
            contestant in
            if contestant >= firstStream {
                return stream.seconds(patterns[contestant - firstStream], context: context)
            }
            if contestant >= firstLibrary {
                let index = contestant - firstLibrary
                return libraries[index].seconds(repetitions: libraryTurns[index], context: context)
            }
            return products[contestant].seconds(repetitions: turns[contestant], context: context)
        }
        var baselines = zip(libraries, firstLibrary...).map {
            KernelCase.Baseline(name: $0.name, time: timing.time($1), timesDense: timing.speedup($1).median)
        }
        if let own = threadedBaseline(denseTurns: turns[0]) { baselines.append(own) }
        let rates = patterns.indices.map {
            timing.rate(firstStream + $0, work: Double(stream.byteCount)).median
        }
        let best = max(1, baselines.map(\.timesDense).max() ?? 1)
        let dense = products[0]
        return KernelCase(
            shape: shape, batch: input.rows, threads: context.threads, temperature: temperature,
            precision: precision,
            streamRates: Dictionary(uniqueKeysWithValues: zip(patterns, rates)), baselines: baselines,
            lines: entrants.indices.map { index in
                let product = products[index]
                return KernelCase.Line(
                    name: entrants[index].name, form: entrants[index].form, time: timing.time(index),
                    rounds: timing.seconds[index].count, byteCount: product.byteCount,
                    multiplyAdds: entrants[index].cost.multiplyAdds,
                    timesDense: timing.speedup(index), timesBest: timing.speedup(index).median / best,
                    ideal: input.rows == 1
                        ? Double(dense.byteCount) / Double(product.byteCount)
                        : Double(shape.count) / Double(max(1, entrants[index].cost.multiplyAdds)),
                    isSlower: timing.verdict(index) == .slower,
                    error: entrants[index].error(product.result(context: context), input: input))
            })
    }

    private var rounds: InterleavedTiming.Rounds {
        let probe = products[0].seconds(repetitions: 1, context: context)
        guard probe > 0.05 else { return settings.rounds }
        return .exactly(min(settings.rounds.least, settings.roundsOfLongTurns))
    }

    /// The library's own threads take turns with our dense product alone, each given the time to fall asleep.
    private func threadedBaseline(denseTurns: Int) -> KernelCase.Baseline? {
        guard let threadedLibrary else { return nil }
        let pause = 0.03
        Thread.sleep(forTimeInterval: pause)
        let turns = threadedLibrary.repetitions(forSeconds: settings.turn, context: context)
        let rounds = InterleavedTiming.Rounds.exactly(min(settings.rounds.least, settings.roundsOfLongTurns))
        let timing = InterleavedTiming(contestants: 2, rounds: rounds) { contestant in
            Thread.sleep(forTimeInterval: pause)
            // Once untimed: whoever slept is awake then.
            if contestant == 0 {
                _ = products[0].seconds(repetitions: 1, context: context)
                return products[0].seconds(repetitions: denseTurns, context: context)
            }
            _ = threadedLibrary.seconds(repetitions: 1, context: context)
            return threadedLibrary.seconds(repetitions: turns, context: context)
        }
        Thread.sleep(forTimeInterval: pause)
        return KernelCase.Baseline(
            name: threadedLibrary.name, time: timing.time(1), timesDense: timing.speedup(1).median)
    }
}
