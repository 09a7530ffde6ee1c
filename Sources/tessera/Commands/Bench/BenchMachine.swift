import Benchmarking
import CKernels
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

    /// Says which settings make the dense library slower than it can be.
    static func warnOfHindrances(quiet: Bool) {
        let set = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"].filter { ProcessInfo.processInfo.environment[$0] != nil }
        guard !set.isEmpty, !quiet else { return }
        standardError("\(set.joined(separator: " and ")) set in the environment: OpenBLAS may be slower than it can be\n")
    }
}
