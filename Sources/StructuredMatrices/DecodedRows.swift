import Tensors

/// Products by way of the dense form of a few rows at a time: for families whose rows are cheap to write out, where no
/// prepared form is at hand.
enum DecodedRows {
    /// Rows decoded at once.
    private static let panel = 64

    /// Y = X W^T. `decode` writes the given rows of W.
    static func apply(
        _ input: MatrixView, into output: MutableMatrixView, shape: MatrixShape, context: ExecutionContext,
        decode: @Sendable (Range<Int>, MutableMatrixView) -> Void
    ) {
        let context = DenseProduct.isShared(batch: input.rows, weights: shape.count) ? context : .serial
        context.parallelFor((shape.rows + panel - 1) / panel) { index in
            let rows = index * panel..<min(shape.rows, (index + 1) * panel)
            withScratch(rows: rows.count, columns: shape.columns) { w in
                decode(rows, w)
                DenseProduct.serialInBatches(input, w.readable, into: output.columns(rows))
            }
        }
    }

    /// X = Y W.
    static func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, shape: MatrixShape, context: ExecutionContext,
        decode: (Range<Int>, MutableMatrixView) -> Void
    ) {
        withScratch(rows: min(shape.rows, panel), columns: shape.columns) { scratch in
            for start in stride(from: 0, to: shape.rows, by: panel) {
                let rows = start..<min(shape.rows, start + panel)
                let w = scratch.rows(0..<rows.count)
                decode(rows, w)
                DenseProduct.applyTransposed(
                    input.columns(rows), w.readable, into: output, accumulating: start > 0, context: context)
            }
        }
    }

    static func gather(
        rows: [Int], columns: Int, decode: (Range<Int>, MutableMatrixView) -> Void
    ) -> Matrix {
        var result = Matrix(rows: rows.count, columns: columns)
        result.withMutableView { result in
            for (index, row) in rows.enumerated() { decode(row..<row + 1, result.rows(index..<index + 1)) }
        }
        return result
    }
}
