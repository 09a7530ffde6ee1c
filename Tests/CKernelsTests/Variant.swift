import CKernels
import Testing

/// A table of kernels this processor runs, as a test argument.
struct Variant: Sendable, CustomTestStringConvertible {
    let name: String

    var testDescription: String { name }

    var kernels: tessera_kernels { (tessera_kernels_named(name) ?? tessera_kernels_portable()).pointee }

    /// Slowest first.
    static let available: [Variant] = ["portable", "neon", "avx2", "avx512"]
        .filter { (name: String) in tessera_kernels_named(name) != nil }
        .map { Variant(name: $0) }
}

/// Widths on both sides of every vector width and unrolling step.
let awkwardSizes = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 47, 64, 65, 100, 384, 385]
