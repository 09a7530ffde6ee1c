import LinearAlgebra
import Tensors

/// The dense products every family is composed of, cut into pieces by shape alone so that the bits do
/// not depend on the number of threads.
public enum DenseProduct {
    /// Input rows of one piece of a large product.
    private static let batchPiece = 128
    /// Fewer multiply-adds than this are not worth a second thread.
    private static let smallestShared = 1 << 21

    /// Y = X W^T (+ Y when `accumulating`). X batch x in, W out x in, Y batch x out.
    public static func apply(
        _ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false,
        context: ExecutionContext
    ) {
        run(x, y, work: w.rows * w.columns, context) { x, y in
            multiply(x, w, transposeB: true, beta: accumulating ? 1 : 0, into: y)
        }
    }

    /// Y = X W (+ Y when `accumulating`). X batch x out, W out x in, Y batch x in.
    public static func applyTransposed(
        _ x: MatrixView, _ w: MatrixView, into y: MutableMatrixView, accumulating: Bool = false,
        context: ExecutionContext
    ) {
        run(x, y, work: w.rows * w.columns, context) { x, y in
            multiply(x, w, beta: accumulating ? 1 : 0, into: y)
        }
    }

    private static func run(
        _ x: MatrixView, _ y: MutableMatrixView, work: Int, _ context: ExecutionContext,
        _ product: @Sendable (MatrixView, MutableMatrixView) -> Void
    ) {
        let pieces = (x.rows + batchPiece - 1) / batchPiece
        let shared = work * x.rows >= smallestShared ? context : .serial
        shared.parallelFor(pieces) { piece in
            let rows = piece * batchPiece..<min(x.rows, (piece + 1) * batchPiece)
            product(x.rows(rows), y.rows(rows))
        }
    }
}
