import CKernels

/// The arithmetic kernels of this processor, chosen once.
package enum Kernels {
    // The table holds constants only: function pointers and a name.
    nonisolated(unsafe) package static let best: tessera_kernels = tessera_kernels_best().pointee
}
