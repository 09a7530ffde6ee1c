import CKernels
import Testing

/// A table of sparse kernels this processor runs, as a test argument.
struct SparseVariant: Sendable, CustomTestStringConvertible {
    let name: String

    var testDescription: String { name }

    var kernels: tessera_sparse_kernels { (tessera_sparse_named(name) ?? tessera_sparse_portable()).pointee }

    static let available: [SparseVariant] = ["portable", "neon", "avx2", "avx512"]
        .filter { (name: String) in tessera_sparse_named(name) != nil }
        .map { SparseVariant(name: $0) }

    static let formats = [TESSERA_PANEL_F32, TESSERA_PANEL_F16, TESSERA_PANEL_BF16]
}

/// Y by every member of a table that can make it, in buffers that end at forbidden pages.
struct SparseProducts {
    let rows: Int
    let columns: Int
    let batch: Int
    let x: EdgeBuffer<Float>
    let xStride: Int

    init(rows: Int, columns: Int, batch: Int, values: inout SeededValues) {
        (self.rows, self.columns, self.batch) = (rows, columns, batch)
        xStride = columns + 3
        x = EdgeBuffer(values.floats((batch - 1) * xStride + columns))
    }

    /// Rows of `rows` floats each; nil where something beside them was written.
    func collect(_ body: (_ y: UnsafeMutablePointer<Float>, _ yStride: Int) -> Void) -> [Float]? {
        let stride = rows + 2
        let y = EdgeBuffer<Float>(repeating: 77, count: (batch - 1) * stride + rows)
        body(y.start, stride)
        let all = y.array
        let untouched = all.indices.allSatisfy { $0 % stride < rows || all[$0] == 77 }
        return untouched ? all.indices.filter { $0 % stride < rows }.map { all[$0] } : nil
    }

    /// The tiles of X, made in two pieces.
    func withTiles(
        _ kernels: tessera_sparse_kernels, _ body: (_ tile: UnsafePointer<Float>, _ first: Int, _ batch: Int) -> Void
    ) {
        let most = Int(TESSERA_TILE)
        for first in Swift.stride(from: 0, to: batch, by: most) {
            let count = min(most, batch - first)
            let tile = EdgeBuffer<Float>(repeating: .nan, count: columns * tessera_tile_width(count))
            let middle = columns / 3
            let source = x.start + first * xStride
            kernels.tileInput(source, xStride, count, columns, 0, middle, tile.start)
            kernels.tileInput(source, xStride, count, columns, middle, columns, tile.start)
            body(tile.start, first, count)
        }
    }

    /// Largest error against sums in double precision, relative to what was summed.
    func error(_ y: [Float], dense: [Float]) -> Double {
        var worst = 0.0
        for b in 0..<batch {
            for row in 0..<rows {
                var (sum, size) = (0.0, 1e-30)
                for column in 0..<columns {
                    let term = Double(dense[row * columns + column]) * Double(x.start[b * xStride + column])
                    sum += term
                    size += abs(term)
                }
                let error = abs(Double(y[b * rows + row]) - sum) / size
                // Not max(): a NaN has to show.
                if !(error <= worst) { worst = error }
            }
        }
        return worst
    }
}

/// A value as it is read back from a format.
func stored(_ value: Float, _ format: tessera_panel_format) -> Float {
    let kernels = tessera_kernels_portable().pointee
    var (bits, result) = (UInt16(0), value)
    if format == TESSERA_PANEL_F16 {
        kernels.floatToHalf([value], &bits, 1)
        kernels.halfToFloat([bits], &result, 1)
    } else if format == TESSERA_PANEL_BF16 {
        kernels.floatToBfloat([value], &bits, 1)
        kernels.bfloatToFloat([bits], &result, 1)
    }
    return result
}
