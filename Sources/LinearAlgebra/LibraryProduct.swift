import Tensors

#if canImport(Accelerate)
    import Accelerate
#else
    import COpenBLAS
#endif

/// The library's own dense product, for measuring against it; computation goes through `multiply`.
extension LinearAlgebraLibrary {
    /// Y = X W^T by the routine made for it: gemv for one row, gemm for more. X batch x columns, W rows x
    /// columns. On as many threads as `withThreads` grants, else on the calling one.
    package static func product(_ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView) {
        guard w.rows > 0, x.rows > 0 else { return }
        guard x.rows == 1 else {
            multiply(x, w, transposeB: true, into: y)
            return
        }
        _ = singleThreaded
        cblas_sgemv(
            CblasRowMajor, CblasNoTrans, BLASInt(w.rows), BLASInt(w.columns), 1, w.base,
            BLASInt(max(1, w.rowStride)), x.base, 1, 0, y.base, 1)
    }

    /// Lets the library use threads of its own during `body`. They go on spinning for a while afterwards, and
    /// disturb what is timed then. Not for two threads at once. Without effect on Accelerate, which decides
    /// for itself.
    package static func withThreads<Result>(_ threads: Int, _ body: () throws -> Result) rethrows -> Result {
        _ = singleThreaded
        #if !canImport(Accelerate)
            openblas_set_num_threads(Int32(clamping: threads))
            defer { openblas_set_num_threads(1) }
        #endif
        return try body()
    }
}
