/// What differs between OpenBLAS and Accelerate, so that both serve the same calls.
let lapackVectors = CChar(UInt8(ascii: "V"))
let lapackLower = CChar(UInt8(ascii: "L"))
let lapackThin = CChar(UInt8(ascii: "S"))
/// No LAPACK routine returns it: the routine was not called, because its workspace has more numbers than its integers count.
let lapackWorkspaceTooLarge = Int.min

#if canImport(Accelerate)
import Accelerate

// 32 bits in both of Accelerate's LAPACK interfaces, the older one and that of ACCELERATE_NEW_LAPACK, which a package
// cannot ask for; the wrappers below are written so that either compiles.
typealias BLASInt = Int32

func tessera_spotrf(_ uplo: CChar, _ n: BLASInt, _ a: UnsafeMutablePointer<Float>, _ lda: BLASInt) -> BLASInt {
    var (uplo, n, lda, info) = (uplo, n, lda, BLASInt(0))
    spotrf_(&uplo, &n, a, &lda, &info)
    return info
}

func tessera_dpotrf(_ uplo: CChar, _ n: BLASInt, _ a: UnsafeMutablePointer<Double>, _ lda: BLASInt) -> BLASInt {
    var (uplo, n, lda, info) = (uplo, n, lda, BLASInt(0))
    dpotrf_(&uplo, &n, a, &lda, &info)
    return info
}

func tessera_ssyevd(
    _ jobz: CChar, _ uplo: CChar, _ n: BLASInt, _ a: UnsafeMutablePointer<Float>, _ lda: BLASInt,
    _ w: UnsafeMutablePointer<Float>, _ work: UnsafeMutablePointer<Float>, _ lwork: BLASInt,
    _ iwork: UnsafeMutablePointer<BLASInt>, _ liwork: BLASInt
) -> BLASInt {
    var (jobz, uplo, n, lda, lwork, liwork, info) = (jobz, uplo, n, lda, lwork, liwork, BLASInt(0))
    ssyevd_(&jobz, &uplo, &n, a, &lda, w, work, &lwork, iwork, &liwork, &info)
    return info
}

func tessera_sgesdd(
    _ jobz: CChar, _ m: BLASInt, _ n: BLASInt, _ a: UnsafeMutablePointer<Float>, _ lda: BLASInt,
    _ s: UnsafeMutablePointer<Float>, _ u: UnsafeMutablePointer<Float>, _ ldu: BLASInt,
    _ vt: UnsafeMutablePointer<Float>, _ ldvt: BLASInt, _ work: UnsafeMutablePointer<Float>, _ lwork: BLASInt,
    _ iwork: UnsafeMutablePointer<BLASInt>
) -> BLASInt {
    var (jobz, m, n, lda, ldu, ldvt, lwork, info) = (jobz, m, n, lda, ldu, ldvt, lwork, BLASInt(0))
    sgesdd_(&jobz, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, iwork, &info)
    return info
}

func tessera_sgeqrf(
    _ m: BLASInt, _ n: BLASInt, _ a: UnsafeMutablePointer<Float>, _ lda: BLASInt,
    _ tau: UnsafeMutablePointer<Float>, _ work: UnsafeMutablePointer<Float>, _ lwork: BLASInt
) -> BLASInt {
    var (m, n, lda, lwork, info) = (m, n, lda, lwork, BLASInt(0))
    sgeqrf_(&m, &n, a, &lda, tau, work, &lwork, &info)
    return info
}

func tessera_sorgqr(
    _ m: BLASInt, _ n: BLASInt, _ k: BLASInt, _ a: UnsafeMutablePointer<Float>, _ lda: BLASInt,
    _ tau: UnsafePointer<Float>, _ work: UnsafeMutablePointer<Float>, _ lwork: BLASInt
) -> BLASInt {
    var (m, n, k, lda, lwork, info) = (m, n, k, lda, lwork, BLASInt(0))
    sorgqr_(&m, &n, &k, a, &lda, UnsafeMutablePointer(mutating: tau), work, &lwork, &info)
    return info
}

func tessera_dsyevd(
    _ jobz: CChar, _ uplo: CChar, _ n: BLASInt, _ a: UnsafeMutablePointer<Double>, _ lda: BLASInt,
    _ w: UnsafeMutablePointer<Double>, _ work: UnsafeMutablePointer<Double>, _ lwork: BLASInt,
    _ iwork: UnsafeMutablePointer<BLASInt>, _ liwork: BLASInt
) -> BLASInt {
    var (jobz, uplo, n, lda, lwork, liwork, info) = (jobz, uplo, n, lda, lwork, liwork, BLASInt(0))
    dsyevd_(&jobz, &uplo, &n, a, &lda, w, work, &lwork, iwork, &liwork, &info)
    return info
}

func tessera_dgesdd(
    _ jobz: CChar, _ m: BLASInt, _ n: BLASInt, _ a: UnsafeMutablePointer<Double>, _ lda: BLASInt,
    _ s: UnsafeMutablePointer<Double>, _ u: UnsafeMutablePointer<Double>, _ ldu: BLASInt,
    _ vt: UnsafeMutablePointer<Double>, _ ldvt: BLASInt, _ work: UnsafeMutablePointer<Double>, _ lwork: BLASInt,
    _ iwork: UnsafeMutablePointer<BLASInt>
) -> BLASInt {
    var (jobz, m, n, lda, ldu, ldvt, lwork, info) = (jobz, m, n, lda, ldu, ldvt, lwork, BLASInt(0))
    dgesdd_(&jobz, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, iwork, &info)
    return info
}

func tessera_dgeqrf(
    _ m: BLASInt, _ n: BLASInt, _ a: UnsafeMutablePointer<Double>, _ lda: BLASInt,
    _ tau: UnsafeMutablePointer<Double>, _ work: UnsafeMutablePointer<Double>, _ lwork: BLASInt
) -> BLASInt {
    var (m, n, lda, lwork, info) = (m, n, lda, lwork, BLASInt(0))
    dgeqrf_(&m, &n, a, &lda, tau, work, &lwork, &info)
    return info
}

func tessera_dorgqr(
    _ m: BLASInt, _ n: BLASInt, _ k: BLASInt, _ a: UnsafeMutablePointer<Double>, _ lda: BLASInt,
    _ tau: UnsafePointer<Double>, _ work: UnsafeMutablePointer<Double>, _ lwork: BLASInt
) -> BLASInt {
    var (m, n, k, lda, lwork, info) = (m, n, k, lda, lwork, BLASInt(0))
    dorgqr_(&m, &n, &k, a, &lda, UnsafeMutablePointer(mutating: tau), work, &lwork, &info)
    return info
}
#else
typealias BLASInt = Int32
#endif
