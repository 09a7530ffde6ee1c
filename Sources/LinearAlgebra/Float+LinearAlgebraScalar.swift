import Tensors

#if canImport(Accelerate)
import Accelerate
#else
import COpenBLAS
#endif

extension Float: LinearAlgebraScalar {
    public static func gemm(
        _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Float,
        _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int, _ beta: Float,
        _ c: UnsafeMutablePointer<Float>, _ ldc: Int
    ) {
        _ = LinearAlgebraLibrary.singleThreaded
        cblas_sgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
            BLASInt(m), BLASInt(n), BLASInt(k), alpha, a, BLASInt(lda), b, BLASInt(ldb), beta, c, BLASInt(ldc))
    }

    public static func syrk(
        _ n: Int, _ k: Int, _ alpha: Float, _ a: UnsafePointer<Float>, _ lda: Int, _ beta: Float,
        _ c: UnsafeMutablePointer<Float>, _ ldc: Int
    ) {
        _ = LinearAlgebraLibrary.singleThreaded
        cblas_ssyrk(
            CblasRowMajor, CblasLower, CblasTrans, BLASInt(n), BLASInt(k), alpha, a, BLASInt(lda), beta, c, BLASInt(ldc))
    }

    public static func trsm(
        _ left: Bool, _ transpose: Bool, _ m: Int, _ n: Int, _ l: UnsafePointer<Float>, _ ldl: Int,
        _ b: UnsafeMutablePointer<Float>, _ ldb: Int
    ) {
        _ = LinearAlgebraLibrary.singleThreaded
        cblas_strsm(
            CblasRowMajor, left ? CblasLeft : CblasRight, CblasLower, transpose ? CblasTrans : CblasNoTrans,
            CblasNonUnit, BLASInt(m), BLASInt(n), 1, l, BLASInt(ldl), b, BLASInt(ldb))
    }

    public static func potrf(_ uplo: CChar, _ n: Int, _ a: UnsafeMutablePointer<Float>) -> Int {
        _ = LinearAlgebraLibrary.singleThreaded
        return Int(tessera_spotrf(uplo, BLASInt(n), a, BLASInt(max(1, n))))
    }

    public static func syevd(_ n: Int, _ a: UnsafeMutablePointer<Float>, _ w: UnsafeMutablePointer<Float>) -> Int {
        _ = LinearAlgebraLibrary.singleThreaded
        // The documented sizes, not the routine's own query, which rounds through a float for large n.
        let workCount = 1 + 6 * n + 2 * n * n
        guard BLASInt(exactly: workCount) != nil else { return lapackWorkspaceTooLarge }
        var work = [Float](repeating: 0, count: workCount)
        var integers = [BLASInt](repeating: 0, count: 3 + 5 * n)
        return Int(
            tessera_ssyevd(
                lapackVectors, lapackLower, BLASInt(n), a, BLASInt(max(1, n)), w, &work, BLASInt(workCount),
                &integers, BLASInt(3 + 5 * n)))
    }

    public static func gesdd(
        _ m: Int, _ n: Int, _ a: UnsafeMutablePointer<Float>, _ s: UnsafeMutablePointer<Float>,
        _ u: UnsafeMutablePointer<Float>, _ vt: UnsafeMutablePointer<Float>
    ) -> Int {
        _ = LinearAlgebraLibrary.singleThreaded
        let small = min(m, n)
        let workCount = 4 * small * small + 8 * small + max(max(m, n), 4 * small * small + 4 * small) + 64 * (m + n)
        guard BLASInt(exactly: workCount) != nil else { return lapackWorkspaceTooLarge }
        // Not filled: LAPACK uses half of it or less, and memory that is not touched is not taken.
        let work = UnsafeMutablePointer<Float>.allocate(capacity: workCount)
        defer { work.deallocate() }
        var integers = [BLASInt](repeating: 0, count: 8 * small)
        return Int(
            tessera_sgesdd(
                lapackThin, BLASInt(m), BLASInt(n), a, BLASInt(max(1, m)), s, u, BLASInt(max(1, m)), vt,
                BLASInt(max(1, small)), work, BLASInt(workCount), &integers))
    }

    public static func qr(_ m: Int, _ n: Int, _ a: UnsafeMutablePointer<Float>, _ r: UnsafeMutablePointer<Float>) -> Int {
        _ = LinearAlgebraLibrary.singleThreaded
        let workCount = 64 * max(1, n)
        var work = [Float](repeating: 0, count: workCount)
        var tau = [Float](repeating: 0, count: max(1, n))
        let info = tessera_sgeqrf(BLASInt(m), BLASInt(n), a, BLASInt(max(1, m)), &tau, &work, BLASInt(workCount))
        guard info == 0 else { return Int(info) }
        for row in 0..<n {
            for column in 0..<n { r[row * n + column] = column >= row ? a[column * m + row] : 0 }
        }
        return Int(
            tessera_sorgqr(
                BLASInt(m), BLASInt(n), BLASInt(n), a, BLASInt(max(1, m)), tau, &work, BLASInt(workCount)))
    }
}
