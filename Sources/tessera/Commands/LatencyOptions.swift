import ArgumentParser
import Compression

/// What a budget in time is for, whatever form commands take it in.
struct LatencyOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Texts or sentences together that --latency is for (default: 1).", valueName: "n"))
    var batch: Int?

    @Option(help: ArgumentHelp("Table of latencies to use instead of this machine's cache.", valueName: "file"))
    var table: String?

    /// The first option that was given; nil where none was.
    var given: String? { [("--batch", batch != nil), ("--table", table != nil)].first { $0.1 }?.0 }

    /// - Parameter latency: what the command's --latency says.
    /// - Throws: `ValidationError`.
    func check(for latency: String?) throws {
        if latency == nil, let given { throw ValidationError("\(given) is for --latency") }
        if let batch, !(1...BatchSizes.largest).contains(batch) {
            throw ValidationError("--batch: expected 1 to \(BatchSizes.largest), got \(batch)")
        }
    }
}
