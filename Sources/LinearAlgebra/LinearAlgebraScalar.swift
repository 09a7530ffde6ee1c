import Tensors

#if canImport(Accelerate)
import Accelerate
#else
import COpenBLAS
#endif

/// The scalar types BLAS and LAPACK are called with: `Float` and `Double`.
///
/// The requirements are the raw routines on row-major (BLAS) or column-major (LAPACK) memory; callers use
/// the matrix functions of this module instead. All run on the calling thread only.
public protocol LinearAlgebraScalar: BinaryFloatingPoint & Sendable {
    /// C = alpha op(A) op(B) + beta C, row-major; op(A) is m x k, op(B) k x n.
    static func gemm(
        _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Self,
        _ a: UnsafePointer<Self>, _ lda: Int, _ b: UnsafePointer<Self>, _ ldb: Int, _ beta: Self,
        _ c: UnsafeMutablePointer<Self>, _ ldc: Int)
    /// Lower triangle of C = alpha A^T A + beta C, row-major; A is k x n.
    static func syrk(
        _ n: Int, _ k: Int, _ alpha: Self, _ a: UnsafePointer<Self>, _ lda: Int, _ beta: Self,
        _ c: UnsafeMutablePointer<Self>, _ ldc: Int)
    /// B = op(L)^-1 B (left) or B op(L)^-1 (right), L lower triangular, all row-major; B is m x n.
    static func trsm(
        _ left: Bool, _ transpose: Bool, _ m: Int, _ n: Int, _ l: UnsafePointer<Self>, _ ldl: Int,
        _ b: UnsafeMutablePointer<Self>, _ ldb: Int)
    static func potrf(_ uplo: CChar, _ n: Int, _ a: UnsafeMutablePointer<Self>) -> Int
    static func syevd(_ n: Int, _ a: UnsafeMutablePointer<Self>, _ w: UnsafeMutablePointer<Self>) -> Int
    static func gesdd(
        _ m: Int, _ n: Int, _ a: UnsafeMutablePointer<Self>, _ s: UnsafeMutablePointer<Self>,
        _ u: UnsafeMutablePointer<Self>, _ vt: UnsafeMutablePointer<Self>) -> Int
    /// Householder QR: `a` (m x n, column-major, m >= n) becomes the orthonormal factor, `r` its n x n triangle (row-major).
    static func qr(_ m: Int, _ n: Int, _ a: UnsafeMutablePointer<Self>, _ r: UnsafeMutablePointer<Self>) -> Int
}

/// Which library does the dense work, for reports: name and, with OpenBLAS, the kernel set it chose.
public enum LinearAlgebraLibrary {
    public static var description: String {
        #if canImport(Accelerate)
        "Accelerate"
        #else
        "OpenBLAS (\(openblas_get_corename().map { String(cString: $0) } ?? "unknown core"))"
        #endif
    }

    /// One thread for each call, set once before the first: threads come from the callers' parallel loops,
    /// and results must not depend on their number.
    static let singleThreaded: Void = {
        #if !canImport(Accelerate)
        openblas_set_num_threads(1)
        #endif
    }()
}
