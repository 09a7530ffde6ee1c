import Tensors

/// Products with T[i, j] = e[i - j + columns - 1], which depends on the diagonal alone: with the inputs reversed, row i
/// of the weights is e[i ..< i + columns], rows overlap, and nothing is expanded. rows columns multiply-adds, but only
/// rows + columns - 1 numbers are read.
enum ToeplitzProduct {
    /// Y (+)= X T^T from inputs in reverse order; X batch x columns, Y batch x rows.
    static func apply(
        reversed x: MatrixView, _ diagonals: UnsafePointer<Float>, into y: MutableMatrixView, accumulating: Bool
    ) {
        // Never the BLAS, which wants rows that do not overlap.
        Kernels.best.product(
            x.base, x.rowStride, diagonals, 1, y.base, y.rowStride, x.rows, y.columns, x.columns, accumulating)
    }

    /// Every row backwards, `block` numbers at a time.
    static func reverse(_ x: MatrixView, block: Int, into y: MutableMatrixView) {
        for row in 0..<x.rows {
            let (source, target) = (x.row(row), y.row(row))
            for first in stride(from: 0, to: x.columns, by: block) {
                for index in 0..<block { target[first + index] = source[first + block - 1 - index] }
            }
        }
    }
}
