import Tensors

/// Which weights of a matrix are kept, by units of a pattern.
public struct WeightMask: Sendable, Equatable {
    public let pattern: SparsityPattern
    public let rows: Int
    public let columns: Int
    /// One for every unit: rows of tiles x columns.
    package var keeps: [Bool]

    /// Rows of tiles.
    public var tileRows: Int { (rows + pattern.tile - 1) / pattern.tile }

    /// The rows of one row of tiles.
    package func rows(ofTiles tileRow: Int) -> Range<Int> {
        tileRow * pattern.tile..<min(rows, (tileRow + 1) * pattern.tile)
    }

    public subscript(row: Int, column: Int) -> Bool { keeps[row / pattern.tile * columns + column] }

    /// The columns that a row of tiles keeps, ascending.
    public func columns(ofTiles tileRow: Int) -> [Int] {
        (0..<columns).filter { keeps[tileRow * columns + $0] }
    }

    init(pattern: SparsityPattern, rows: Int, columns: Int, keeps: [Bool]) {
        self.pattern = pattern
        self.rows = rows
        self.columns = columns
        self.keeps = keeps
    }

    /// Keeps the units with the largest sums of w^2 times the importance of the input; of equal ones those with the
    /// largest sums of |w|, then the first. Among masks of weights that stay as they are this is the exact minimum of the
    /// squared error when G is diagonal and `importance` its diagonal (Wanda, arXiv 2306.11695); with importance 1, of the
    /// Frobenius error. One sort of every pool.
    init(best weight: Matrix, importance: [Double], pattern: SparsityPattern) {
        let (rows, columns) = (weight.rows, weight.columns)
        let tileRows = (rows + pattern.tile - 1) / pattern.tile
        var units = [RankedUnit](
            unsafeUninitializedCapacity: tileRows * columns
        ) { buffer, count in
            for index in 0..<tileRows * columns { (buffer.baseAddress! + index).initialize(to: RankedUnit(index)) }
            count = tileRows * columns
        }
        for row in 0..<rows {
            let first = row / pattern.tile * columns
            for column in 0..<columns {
                let value = Double(weight[row, column])
                units[first + column].score += value * value * importance[column]
                units[first + column].magnitude += abs(value)
            }
        }
        keeps = [Bool](repeating: false, count: units.count)
        self.pattern = pattern
        self.rows = rows
        self.columns = columns
        let pool = max(1, pattern.pool ?? units.count)
        for start in stride(from: 0, to: units.count, by: pool) {
            let end = min(units.count, start + pool)
            units[start..<end].sort()
            for unit in units[start..<min(end, start + pattern.kept)] { keeps[unit.index] = true }
        }
    }
}

/// A unit in the order in which units are kept.
struct RankedUnit: Comparable {
    let index: Int
    var score = 0.0
    var magnitude = 0.0

    init(_ index: Int) { self.index = index }

    static func < (left: RankedUnit, right: RankedUnit) -> Bool {
        if left.score != right.score { return left.score > right.score }
        return left.magnitude != right.magnitude ? left.magnitude > right.magnitude : left.index < right.index
    }
}
