import CKernels
import Tensors

/// Sparse rows in slices of 16 that advance together, by kernels for a few rows of X and for tiles of many: the one
/// loop over slices that `PreparedGroups` and `PreparedSparseRows` share.
protocol PreparedSlices: PreparedProduct {
    /// What the kernels are lent.
    associatedtype Slices
    func withSlices(_ body: (UnsafePointer<Slices>) -> Void)
    /// The stored arrays.
    var arrays: [TensorStorage] { get }

    static func product(
        _ slices: UnsafePointer<Slices>, _ input: MatrixView, _ output: MutableMatrixView, _ range: Range<Int>)
    static func tileProduct(
        _ slices: UnsafePointer<Slices>, _ tile: UnsafePointer<Float>, batch: Int, _ output: MutableMatrixView,
        _ range: Range<Int>)
}

enum SliceLayout {
    static let rows = 16
    /// Slices of a panel of 64 rows, which share a part of the tile while it is in the caches.
    static let grain = 4

    static func count(rows: Int) -> Int { (rows + Self.rows - 1) / Self.rows }
}

extension PreparedSlices {
    var byteCount: Int { arrays.reduce(0) { $0 + $1.byteCount } }
    func scratchFloats(batch: Int) -> Int { PreparedTiles.scratchFloats(batch: batch, columns: shape.columns) }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let range = worker.share(of: SliceLayout.count(rows: shape.rows), grain: SliceLayout.grain)
        withSlices { slices in
            guard PreparedTiles.suits(batch: input.rows) else {
                return Self.product(slices, input, output, range)
            }
            PreparedTiles.forEach(input, output, scratch: scratch, worker: worker) { tile, batch, output in
                Self.tileProduct(slices, tile, batch: batch, output, range)
            }
        }
    }
}
