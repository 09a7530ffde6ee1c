import CKernels
import LinearAlgebra
import Tensors

/// The dense products every family is composed of, cut into pieces by shape alone so that the bits do
/// not depend on the number of threads.
public enum DenseProduct {
    /// Input rows of one piece of a large product.
    private static let batchPiece = 128
    /// Input rows of one piece of a product of several factors. Not more than the kernels serve: on the
    /// narrow blocks of Monarch and BLAST they are up to 1.4 times as fast as a BLAS at batch 128.
    private static let structuredPiece = 64
    /// Fewer multiply-adds than this (about 40 microseconds) are not worth a second thread, unless the weights
    /// alone take longer to read than that.
    private static let smallestShared = 1 << 22
    private static let smallestSharedWeights = 1 << 19
    /// Pieces a large product is cut into, where its shape allows: enough to keep many threads busy to the end.
    private static let wantedPieces = 32

    /// Up to this batch our kernels serve, beyond it the BLAS. Measured on one Zen 5 thread (AVX-512, OpenBLAS
    /// 0.3.21, 384 x 384 and 1536 x 384), kernel against BLAS in GFLOP/s: 40 - 60 against 4 - 62 at batch 1,
    /// 150 - 194 against 61 at 8, 193 - 222 against 186 - 193 at 64, 205 - 218 against 209 - 216 at 128,
    /// 208 - 215 against 229 - 231 at 256. The plain C table (30) serves only batch 1, where a BLAS may do worse.
    static let largestKernelBatch =
        tessera_kernels_best() == tessera_kernels_portable() ? 1 : 64

    /// Y = X W^T (+ Y when `accumulating`). X batch x in, W out x in, Y batch x out.
    public static func apply(
        _ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false,
        context: ExecutionContext
    ) {
        run(x, y, inner: w.columns, context) { rows, columns in
            serial(
                x.rows(rows), w.rows(columns), into: y.block(rows: rows, columns: columns),
                accumulating: accumulating)
        }
    }

    /// Y = X W (+ Y when `accumulating`). X batch x out, W out x in, Y batch x in.
    public static func applyTransposed(
        _ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false,
        context: ExecutionContext
    ) {
        run(x, y, inner: w.rows, context) { rows, columns in
            serialTransposed(
                x.rows(rows), w.columns(columns), into: y.block(rows: rows, columns: columns),
                accumulating: accumulating)
        }
    }

    /// `apply` on the calling thread, in one piece.
    static func serial(
        _ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false
    ) {
        if x.rows <= largestKernelBatch {
            Kernels.best.product(
                x.base, x.rowStride, w.base, w.rowStride, y.base, y.rowStride, x.rows, w.rows, w.columns,
                accumulating)
        } else {
            multiply(x, w, transposeB: true, beta: accumulating ? 1 : 0, into: y)
        }
    }

    /// `serial` for as many rows of X at once as our kernels serve: the bits of a row do not depend on the others.
    static func serialInBatches(_ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView) {
        for first in stride(from: 0, to: x.rows, by: largestKernelBatch) {
            let rows = first..<min(x.rows, first + largestKernelBatch)
            serial(x.rows(rows), w, into: y.rows(rows))
        }
    }

    /// `applyTransposed` on the calling thread, in one piece.
    static func serialTransposed(
        _ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false
    ) {
        if x.rows <= largestKernelBatch {
            Kernels.best.productTransposed(
                x.base, x.rowStride, w.base, w.rowStride, y.base, y.rowStride, x.rows, w.rows, w.columns,
                accumulating)
        } else {
            multiply(x, w, beta: accumulating ? 1 : 0, into: y)
        }
    }

    /// Cuts a batch so that what one piece keeps between two factors stays in cache. A batch of several
    /// pieces shares the threads among them; a batch of one piece is lent the threads to use inside.
    static func inPieces(
        ofBatch batch: Int, multiplyAdds: Int, context: ExecutionContext,
        _ body: @Sendable (Range<Int>, ExecutionContext) -> Void
    ) {
        let shared = isShared(batch: batch, weights: multiplyAdds) ? context : .serial
        guard batch > structuredPiece else {
            body(0..<batch, shared)
            return
        }
        shared.parallelFor((batch + structuredPiece - 1) / structuredPiece) { piece in
            body(piece * structuredPiece..<min(batch, (piece + 1) * structuredPiece), .serial)
        }
    }

    /// Whether a product is long enough to be cut into pieces for several threads.
    static func isShared(batch: Int, weights: Int) -> Bool {
        batch * weights >= smallestShared || (batch > 0 && weights >= smallestSharedWeights)
    }

    /// Rows of W that one piece of a large product takes.
    static func pieceWidth(batch: Int, columns: Int) -> Int {
        let batchPieces = (batch + batchPiece - 1) / batchPiece
        // A BLAS packs its operands anew for every piece, so its pieces stay wide.
        return max(batch <= largestKernelBatch ? 64 : 256, (columns * batchPieces / wantedPieces + 15) / 16 * 16)
    }

    static func run(
        _ x: MatrixView, _ y: MutableMatrixView, inner: Int, _ context: ExecutionContext,
        _ product: @Sendable (Range<Int>, Range<Int>) -> Void
    ) {
        guard isShared(batch: x.rows, weights: y.columns * inner) else {
            product(0..<x.rows, 0..<y.columns)
            return
        }
        let batchPieces = (x.rows + batchPiece - 1) / batchPiece
        let width = pieceWidth(batch: x.rows, columns: y.columns)
        let columnPieces = (y.columns + width - 1) / width
        context.parallelFor(batchPieces * columnPieces) { piece in
            let (row, column) = piece.quotientAndRemainder(dividingBy: columnPieces)
            product(
                row * batchPiece..<min(x.rows, (row + 1) * batchPiece),
                column * width..<min(y.columns, (column + 1) * width))
        }
    }
}
