/// Which masks a sparse family can store.
///
/// Units of `tile` weights (consecutive outputs of one input) are kept or dropped together. They compete within pools,
/// of which each keeps a fixed number: every `pool` consecutive inputs of a row of tiles, or the whole matrix.
public struct SparsityPattern: Sendable, Hashable {
    /// Outputs in a unit; the last row of tiles may have fewer.
    public var tile: Int
    /// Inputs in a pool, a divisor of the columns; nil makes one pool of the matrix.
    public var pool: Int?
    /// Units kept of every pool, at most as many as it has.
    public var kept: Int

    public init(tile: Int = 1, pool: Int?, kept: Int) {
        self.tile = tile
        self.pool = pool
        self.kept = kept
    }

    /// N of every M consecutive weights of a row.
    public static func groups(kept: Int, of group: Int) -> SparsityPattern {
        SparsityPattern(pool: group, kept: kept)
    }

    /// Any weights of the matrix.
    public static func entries(_ count: Int) -> SparsityPattern { SparsityPattern(pool: nil, kept: count) }

    /// Inputs that `tile` consecutive outputs share.
    public static func sharedColumns(_ kept: Int, of columns: Int, tile: Int) -> SparsityPattern {
        SparsityPattern(tile: tile, pool: columns, kept: kept)
    }
}
