import Benchmarking
import Compression
import StructuredMatrices
import Tensors

/// One case of `bench kernels` as lines of text.
struct KernelCaseTable {
    private let result: KernelCase

    init(_ result: KernelCase) { self.result = result }

    static var heading: String {
        let facts = BenchMachine.facts.map { $0.value }
        return
            "\(facts[0]), \(facts[1]) kernels, \(facts[2]), last-level cache \(FigureText.bytes(LastLevelCache.byteCount)); "
            + "medians of turns"
    }

    var text: String {
        var table = TextTable([.left, .right, .right, .right, .right, .right, .right, .right, .left])
        let readsAreKnown = !result.streamRates.isEmpty
        table.append(
            [
                title, "ms", "times dense", "times best", "ideal", "GB/s", readsAreKnown ? "of reads" : "",
                "error",
            ])
        for line in result.lines {
            var row = [line.form.isEmpty ? line.name : "\(line.name) (\(line.form))"]
            row += [
                Self.milliseconds(line.time.median), Self.ratio(line.timesDense.median),
                Self.ratio(line.timesBest),
            ]
            row += [Self.ratio(line.ideal), FigureText.fixed(line.rate * 1e-9, decimals: 1)]
            row.append(
                result.streamRates[.one].map { "\(FigureText.fixed(100 * line.rate / $0, decimals: 0)) %" }
                    ?? "")
            row.append(FigureText.scientific(line.error, decimals: 0))
            table.append(line.isSlower ? row + ["slower than dense"] : row)
        }
        for baseline in result.baselines {
            table.append([
                baseline.name, Self.milliseconds(baseline.time.median), Self.ratio(baseline.timesDense),
            ])
        }
        for pattern in StreamRead.Pattern.allCases {
            guard let rate = result.streamRates[pattern] else { continue }
            table.append([
                "reading memory, \(pattern.rawValue)", "", "", "", "",
                FigureText.fixed(rate * 1e-9, decimals: 1),
            ])
        }
        return table.text
    }

    private var title: String {
        "\(result.shape), batch \(result.batch), \(result.threads) thread\(result.threads == 1 ? "" : "s"), "
            + "\(result.precision.rawValue), \(result.temperature.rawValue)"
    }

    private static func milliseconds(_ seconds: Double) -> String {
        FigureText.fixed(seconds * 1000, decimals: 4)
    }
    private static func ratio(_ value: Double) -> String { FigureText.fixed(value, decimals: 2) }
}
