import CKernels
import Tensors

/// Products that take their inputs feature-major at large batches: the loop over tiles that they share.
enum PreparedTiles {
    /// Shared by all threads and never written: the tables are constants.
    nonisolated(unsafe) static let kernels = tessera_sparse_best().pointee
    /// Rows of X in a tile.
    private static let rows = Int(TESSERA_TILE)

    /// Floats of one tile; 0 for batches that are too small for tiles.
    static func scratchFloats(batch: Int, columns: Int, from smallest: Int) -> Int {
        // 16 more, to begin at a cache line.
        batch < smallest ? 0 : columns * tessera_tile_width(min(batch, rows)) + 16
    }

    /// Calls `product` for every tile of X, transposed by the whole team.
    static func forEach(
        _ input: MatrixView, _ output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker,
        _ product: (_ tile: UnsafePointer<Float>, _ batch: Int, _ output: MutableMatrixView) -> Void
    ) {
        let tile = UnsafeMutableRawPointer(scratch).alignedUp(toMultipleOf: 64).assumingMemoryBound(to: Float.self)
        let columns = worker.share(of: input.columns, grain: 16)
        for first in stride(from: 0, to: input.rows, by: rows) {
            let batch = min(rows, input.rows - first)
            // Nobody may still be reading the tile before.
            if first > 0 { worker.barrier() }
            kernels.tileInput(
                input.row(first), input.rowStride, batch, input.columns, columns.lowerBound, columns.upperBound, tile)
            worker.barrier()
            product(tile, batch, output.rows(first..<first + batch))
        }
    }
}
