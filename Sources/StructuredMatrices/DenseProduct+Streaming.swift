import Tensors

/// Products with a weight that lies in a file and is read a piece at a time: the products of the same pieces as with one
/// in memory, so the same bits.
extension DenseProduct {
    /// Y = X W^T. X batch x in, W out x in, Y batch x out. Every piece of 128 rows of X reads W once.
    static func apply(
        _ x: MatrixView, streaming w: Factor, into y: MutableMatrixView, context: ExecutionContext
    ) {
        run(x, y, inner: w.shape[1], context) { rows, columns in
            w.withStreamedRows(columns) { w in
                serial(x.rows(rows), w, into: y.block(rows: rows, columns: columns))
            }
        }
    }

    /// The same on the calling thread as if `apply` were called for `largestKernelBatch` rows of X after the other, but for
    /// the order: W is read once.
    static func applyInBatches(_ x: MatrixView, streaming w: Factor, into y: MutableMatrixView) {
        let batches = stride(from: 0, to: x.rows, by: largestKernelBatch).map {
            $0..<min(x.rows, $0 + largestKernelBatch)
        }
        guard !batches.isEmpty else { return }
        // Smaller weights are cut or not by the size of the batch as well.
        guard isShared(batch: 1, weights: y.columns * w.shape[1]) else {
            w.withStreamedRows(0..<y.columns) { w in
                for batch in batches { apply(x.rows(batch), w, into: y.rows(batch), context: .serial) }
            }
            return
        }
        let width = pieceWidth(batch: largestKernelBatch, columns: y.columns)
        for first in stride(from: 0, to: y.columns, by: width) {
            let columns = first..<min(y.columns, first + width)
            w.withStreamedRows(columns) { w in
                for batch in batches { serial(x.rows(batch), w, into: y.block(rows: batch, columns: columns)) }
            }
        }
    }
}
