import Tensors

/// Products with `count` blocks along the diagonal, W being the blocks stacked upon each other.
extension DenseProduct {
    /// Y_b = X_b W_b^T for every block b. X batch x (count in), W (count out) x in, Y batch x (count out).
    static func applyBlocks(
        _ x: MatrixView, _ w: MatrixView, count: Int, into y: MutableMatrixView, context: ExecutionContext
    ) {
        let (rows, columns) = (w.rows / count, w.columns)
        inPieces(ofBatch: x.rows, multiplyAdds: w.rows * w.columns, context: context) { batch, context in
            let (x, y) = (x.rows(batch), y.rows(batch))
            context.parallelFor(count) { block in
                serial(
                    x.sideBySide(block, columns: columns), w.stacked(block, rows: rows),
                    into: y.sideBySide(block, columns: rows))
            }
        }
    }

    /// Y_b = X_b W_b for every block b. X batch x (count out), W (count out) x in, Y batch x (count in).
    static func applyBlocksTransposed(
        _ x: MatrixView, _ w: MatrixView, count: Int, into y: MutableMatrixView, context: ExecutionContext
    ) {
        let (rows, columns) = (w.rows / count, w.columns)
        inPieces(ofBatch: x.rows, multiplyAdds: w.rows * w.columns, context: context) { batch, context in
            let (x, y) = (x.rows(batch), y.rows(batch))
            context.parallelFor(count) { block in
                serialTransposed(
                    x.sideBySide(block, columns: rows), w.stacked(block, rows: rows),
                    into: y.sideBySide(block, columns: columns))
            }
        }
    }
}
