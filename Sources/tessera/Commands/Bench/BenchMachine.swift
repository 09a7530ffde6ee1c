import Benchmarking
import CKernels
import Compression
import Foundation
import LinearAlgebra
import ModelFiles

/// What figures of speed are worth nothing without.
enum BenchMachine {
    static var facts: [(key: String, value: String)] {
        [
            ("processor", ProcessorName.current),
            ("kernels", String(cString: tessera_panels_best().pointee.name)),
            ("linear_algebra", LinearAlgebraLibrary.description),
        ]
    }

    /// Says which settings make the dense library slower than it can be, and whether others use the machine:
    /// they lengthen long turns more than short ones, which no taking of turns makes good.
    static func warnOfHindrances(quiet: Bool) {
        guard !quiet else { return }
        let set = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"].filter {
            ProcessInfo.processInfo.environment[$0] != nil
        }
        if !set.isEmpty {
            standardError(
                "\(set.joined(separator: " and ")) set in the environment: "
                    + "OpenBLAS may be slower than it can be\n"
            )
        }
        var load = 0.0
        let processors = ProcessInfo.processInfo.activeProcessorCount
        // One process that has just ended, and this one, may keep as many threads as there are processors.
        if getloadavg(&load, 1) == 1, load > Double(processors) + 0.5 {
            let figure = FigureText.fixed(load, decimals: 1)
            standardError(
                "load average \(figure) on \(processors) processors: "
                    + "the machine is busy, and ratios are not to be trusted\n"
            )
        }
    }
}
