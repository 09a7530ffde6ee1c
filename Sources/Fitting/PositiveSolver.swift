import LinearAlgebra
import Tensors

/// Solves with one small symmetric positive semi-definite matrix at a time, by Cholesky after a tiny relative
/// ridge.
///
/// Sweeps apply it to residuals, where a ridge shortens a step and never moves its target.
final class PositiveSolver {
    private let factor: DoubleBuffer
    private let original: DoubleBuffer
    private let relativeRidge: Double
    private let size: Int

    init(size: Int, relativeRidge: Double = 1e-10) {
        factor = DoubleBuffer(rows: size, columns: size)
        original = DoubleBuffer(rows: size, columns: size)
        self.relativeRidge = relativeRidge
        self.size = size
    }

    /// Where the matrix is to be written before `factorise()`; its lower triangle is read.
    var matrix: MutableDenseMatrixView<Double> { factor.view }

    /// False when the matrix is zero or not finite, so that there is no step to take.
    func factorise() -> Bool {
        let a = factor.view
        var trace = 0.0
        for index in 0..<size { trace += a.row(index)[index] }
        guard trace > 0, trace.isFinite else { return false }
        var ridge = relativeRidge * trace / Double(size)
        original.view.base.update(from: a.base, count: size * size)
        // Rounding can make a nearly singular matrix indefinite; a larger ridge makes it definite again.
        for attempt in 0..<4 {
            if attempt > 0 { a.base.update(from: original.view.base, count: size * size) }
            for index in 0..<size { a.row(index)[index] += ridge }
            if Double.potrf(CChar(UInt8(ascii: "U")), size, a.base) == 0 { return true }
            ridge *= 1000
        }
        return false
    }

    /// B = A^-1 B, B with `size` rows.
    func solveLeft(_ b: MutableDenseMatrixView<Double>) {
        for transpose in [false, true] {
            Double.trsm(
                true, transpose, b.rows, b.columns, factor.view.base, size, b.base, max(1, b.rowStride))
        }
    }

    /// B = B A^-1, B with `size` columns.
    func solveRight(_ b: MutableDenseMatrixView<Double>) {
        for transpose in [true, false] {
            Double.trsm(
                false, transpose, b.rows, b.columns, factor.view.base, size, b.base, max(1, b.rowStride))
        }
    }
}
