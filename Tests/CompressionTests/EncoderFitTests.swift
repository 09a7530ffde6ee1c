import Compression
import Fitting
import Foundation
import StructuredMatrices
import Tensors
import Testing

/// The smooth families against the activation-weighted SVD at the same parameters, on every encoder matrix of a
/// trained model. Minutes; `TESSERA_FITS` set to the fitters' names, or to "all", runs it and prints the table.
@Suite(.serialized, .enabled(if: EncoderMatrices.isHere, EncoderMatrices.isMissing))
struct EncoderFitTests {
    private static let winners = ["monarch-sweeps", "btt-sweeps", "monarch-permuted", "blast-sweeps", "interpolative-svd"]
    private static let chosen = ProcessInfo.processInfo.environment["TESSERA_FITS"]

    @Test(.enabled(if: chosen != nil, "set TESSERA_FITS to run it"))
    func sweepsBeatTheWeightedDecomposition() throws {
        let threads = ExecutionContext(threads: 2)
        let entries = try EncoderMatrices(context: threads).entries
        #expect(entries.count == 36)
        let names = Self.chosen == "all" ? Self.winners : Self.chosen?.split(separator: ",").map(String.init) ?? []
        @Sendable func size(_ weight: Matrix) -> SizeBudget { .parameters(weight.count / 2) }
        let baselines = try threads.parallelMap(entries.count) { index in
            try ActivationSVDFitter().fit(
                entries[index].weight, objective: entries[index].objective, size: size(entries[index].weight)
            ).relativeError
        }
        for name in names {
            let fitter = try #require(Fitters.fitter(named: name))
            let clock = ContinuousClock()
            let start = clock.now
            let fits = try threads.parallelMap(entries.count) { index -> (error: Double, parameters: Int, seconds: Duration) in
                let start = clock.now
                let fit = try fitter.fitAny(
                    entries[index].weight, objective: entries[index].objective, size: size(entries[index].weight),
                    context: FitContext())
                return (fit.relativeError, fit.matrix.cost.parameters, clock.now - start)
            }
            // The same matrix by another way is no win.
            let wins = zip(fits, baselines).count { $0.error < $1 * (1 - 1e-5) }
            var lines = ["\(name): better on \(wins) of \(entries.count), \(clock.now - start) on 2 threads"]
            for (entry, (fit, baseline)) in zip(entries, zip(fits, baselines)) {
                lines.append(
                    "  \(entry.name)  svd \(baseline)  \(fit.error)  ratio \(fit.error / baseline)  \(fit.seconds)")
            }
            print(lines.joined(separator: "\n"))
            if Self.winners.contains(name) { #expect(wins >= 30) }
        }
    }
}
