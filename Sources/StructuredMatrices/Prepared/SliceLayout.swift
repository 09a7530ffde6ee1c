import Tensors

/// Sparse rows in slices of 16 that advance together.
enum SliceLayout {
    static let rows = 16
    /// Slices of a panel of 64 rows, which share a part of the tile while it is in the caches.
    private static let grain = 4

    static func count(rows: Int) -> Int { (rows + Self.rows - 1) / Self.rows }

    /// A member's share of the slices.
    static func share(rows: Int, worker: Worker) -> Range<Int> { worker.share(of: count(rows: rows), grain: grain) }
}
