import LinearAlgebra
import Tensors

/// Least squares over matrices with zeros in given places: minimises tr(F V H V^T) / 2 - tr(V K^T) over the V that are zero
/// outside a mask, F being block-diagonal. The rows of a block are a system of their own.
///
/// By conjugate gradients, all systems of a piece together so that the work is matrix products; the diagonals are the
/// preconditioner. Every iteration lowers the value of every system that has not converged. An iteration is
/// rows size^2 multiply-adds.
struct MaskedQuadratic {
    /// size x size, symmetric, positive semi-definite.
    let h: DoubleMatrix
    /// The blocks of F, of one size, symmetric and positive semi-definite; none stands for the identity.
    var left: [DoubleMatrix] = []
    var iterations = 50
    /// A system is done when its gradient is this much smaller than that of zero.
    var tolerance = 1e-7

    private var systemRows: Int { left.first?.rows ?? 1 }

    /// Rows of one piece: cut by shape alone, so that the bits do not depend on the threads.
    private static let rowsAtOnce = 128

    /// - Parameters:
    ///   - start: rows x size, zero outside the mask; rows a multiple of a block's.
    ///   - target: K, rows x size.
    ///   - mask: rows x size.
    func minimise(
        from start: DoubleMatrix, target: DoubleMatrix, mask: [Bool], context: FitContext
    ) throws -> DoubleMatrix {
        let rowsAtOnce = max(1, Self.rowsAtOnce / systemRows) * systemRows
        let pieces = (start.rows + rowsAtOnce - 1) / rowsAtOnce
        let solved = try context.execution.parallelMap(pieces) { piece in
            try context.checkCancellation()
            let rows = piece * rowsAtOnce..<min(start.rows, (piece + 1) * rowsAtOnce)
            let range = rows.lowerBound * start.columns..<rows.upperBound * start.columns
            return solve(
                start.block(rows: rows, columns: 0..<start.columns),
                target.block(rows: rows, columns: 0..<start.columns), mask[range], firstSystem: rows.lowerBound / systemRows)
        }
        return DoubleMatrix(rows: start.rows, columns: start.columns, elements: solved.flatMap(\.elements))
    }

    private func solve(
        _ start: DoubleMatrix, _ target: DoubleMatrix, _ mask: ArraySlice<Bool>, firstSystem: Int
    ) -> DoubleMatrix {
        let (rows, size) = (start.rows, start.columns)
        guard rows > 0, size > 0 else { return start }
        let length = systemRows * size
        let systems = rows / systemRows
        // What multiplies a gradient: the inverse of the diagonal where the mask is, else zero.
        let inverse = DoubleMatrix(rows: rows, columns: size) { row, column in
            let diagonal = h[column, column] * weight(of: firstSystem * systemRows + row)
            return mask[mask.startIndex + row * size + column] && diagonal > 0 ? 1 / diagonal : 0
        }
        var v = start
        var direction = start
        var image = DoubleMatrix(rows: rows, columns: size)
        var half = image
        multiplied(direction, firstSystem, &half, into: &image)
        var residual = target - image
        var slopes = [Double](repeating: 0, count: systems)
        var limits = slopes
        for system in 0..<systems {
            var (slope, limit) = (0.0, 0.0)
            for index in system * length..<(system + 1) * length {
                let (r, k, d) = (residual.elements[index], target.elements[index], inverse.elements[index])
                direction.elements[index] = d * r
                slope += d * r * r
                limit += d * k * k
            }
            slopes[system] = slope
            limits[system] = limit * tolerance * tolerance
        }
        for _ in 0..<iterations {
            guard zip(slopes, limits).contains(where: { $0 > $1 }) else { break }
            multiplied(direction, firstSystem, &half, into: &image)
            v.withMutableView { v in
                residual.withMutableView { residual in
                    direction.withMutableView { direction in
                        image.withView { image in
                            inverse.withView { inverse in
                                for system in 0..<systems where slopes[system] > limits[system] {
                                    let first = system * length
                                    slopes[system] = Self.step(
                                        v.base + first, residual.base + first, direction.base + first, image.base + first,
                                        inverse.base + first, length, slope: slopes[system])
                                }
                            }
                        }
                    }
                }
            }
        }
        return v
    }

    /// The diagonal of F.
    private func weight(of row: Int) -> Double {
        left.isEmpty ? 1 : left[row / systemRows][row % systemRows, row % systemRows]
    }

    /// F V H.
    private func multiplied(
        _ v: DoubleMatrix, _ firstSystem: Int, _ half: inout DoubleMatrix, into result: inout DoubleMatrix
    ) {
        func product(_ target: MutableDenseMatrixView<Double>) {
            v.withView { v in h.withView { multiply(v, $0, into: target) } }
        }
        guard !left.isEmpty else { return result.withMutableView(product) }
        half.withMutableView(product)
        result.withMutableView { result in
            half.withView { half in
                for system in 0..<v.rows / systemRows {
                    let rows = system * systemRows..<(system + 1) * systemRows
                    left[firstSystem + system].withView { multiply($0, half.rows(rows), into: result.rows(rows)) }
                }
            }
        }
    }

    /// One iteration of one system; returns its new slope.
    private static func step(
        _ v: UnsafeMutablePointer<Double>, _ r: UnsafeMutablePointer<Double>, _ p: UnsafeMutablePointer<Double>,
        _ hp: UnsafePointer<Double>, _ inverse: UnsafePointer<Double>, _ count: Int, slope: Double
    ) -> Double {
        var curvature = 0.0
        for index in 0..<count { curvature += p[index] * hp[index] }
        guard curvature > 0 else { return 0 }
        let length = slope / curvature
        var next = 0.0
        for index in 0..<count {
            v[index] += length * p[index]
            r[index] -= length * hp[index]
            next += inverse[index] * r[index] * r[index]
        }
        let turn = next / slope
        for index in 0..<count { p[index] = inverse[index] * r[index] + turn * p[index] }
        return next
    }
}
