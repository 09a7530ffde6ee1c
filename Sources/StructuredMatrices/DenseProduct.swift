import CKernels
import LinearAlgebra
import Tensors

/// The dense products every family is composed of, cut into pieces by shape alone so that the bits do
/// not depend on the number of threads.
public enum DenseProduct {
    /// Input rows of one piece of a large product.
    private static let batchPiece = 128
    /// Fewer multiply-adds than this are not worth a second thread.
    private static let smallestShared = 1 << 21
    /// Pieces a large product is cut into, where its shape allows: enough to keep many threads busy to the end.
    private static let wantedPieces = 32

    /// Y = X W^T (+ Y when `accumulating`). X batch x in, W out x in, Y batch x out.
    public static func apply(
        _ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false,
        context: ExecutionContext
    ) {
        run(x, y, inner: w.columns, context) { rows, columns in
            serial(x.rows(rows), w.rows(columns), into: y.block(rows: rows, columns: columns), accumulating: accumulating)
        }
    }

    /// Y = X W (+ Y when `accumulating`). X batch x out, W out x in, Y batch x in.
    public static func applyTransposed(
        _ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false,
        context: ExecutionContext
    ) {
        run(x, y, inner: w.rows, context) { rows, columns in
            serialTransposed(
                x.rows(rows), w.columns(columns), into: y.block(rows: rows, columns: columns), accumulating: accumulating)
        }
    }

    /// `apply` on the calling thread, in one piece.
    static func serial(_ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false) {
        multiply(x, w, transposeB: true, beta: accumulating ? 1 : 0, into: y)
    }

    /// `applyTransposed` on the calling thread, in one piece.
    static func serialTransposed(_ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false) {
        multiply(x, w, beta: accumulating ? 1 : 0, into: y)
    }

    /// Cuts a batch so that what one piece keeps between two factors stays in cache. A batch of several
    /// pieces shares the threads among them; a batch of one piece is lent the threads to use inside.
    static func inPieces(
        ofBatch batch: Int, multiplyAdds: Int, context: ExecutionContext,
        _ body: @Sendable (Range<Int>, ExecutionContext) -> Void
    ) {
        let shared = multiplyAdds * batch >= smallestShared ? context : .serial
        guard batch > batchPiece else {
            body(0..<batch, shared)
            return
        }
        shared.parallelFor((batch + batchPiece - 1) / batchPiece) { piece in
            body(piece * batchPiece..<min(batch, (piece + 1) * batchPiece), .serial)
        }
    }

    private static func run(
        _ x: MatrixView, _ y: MutableMatrixView, inner: Int, _ context: ExecutionContext,
        _ product: @Sendable (Range<Int>, Range<Int>) -> Void
    ) {
        guard x.rows * y.columns * inner >= smallestShared else {
            product(0..<x.rows, 0..<y.columns)
            return
        }
        let batchPieces = (x.rows + batchPiece - 1) / batchPiece
        // A BLAS packs its operands anew for every piece, so pieces stay wide.
        let width = max(256, (y.columns * batchPieces / wantedPieces + 15) / 16 * 16)
        let columnPieces = (y.columns + width - 1) / width
        context.parallelFor(batchPieces * columnPieces) { piece in
            let (row, column) = piece.quotientAndRemainder(dividingBy: columnPieces)
            product(
                row * batchPiece..<min(x.rows, (row + 1) * batchPiece),
                column * width..<min(y.columns, (column + 1) * width))
        }
    }
}
