import LinearAlgebra
import StructuredMatrices
import Tensors

/// The order in which columns are rounded when their errors are compensated.
public enum ColumnOrder: String, Sendable, CaseIterable {
    /// As they are stored.
    case stored
    /// The largest inputs first ("act-order"). Groups are torn apart, so that their scales have to be fixed beforehand,
    /// from weights that are not compensated yet.
    case largestInputs
    /// Groups by their largest mean square of inputs, and within a group the largest inputs first: groups stay whole, and
    /// take their scales from the weights as compensated when their turn comes.
    case largestGroups
}

/// Rounds or drops columns one after another and moves each column's error into the columns still to come, as
/// far as the inputs' correlations allow: GPTQ (arXiv 2210.17323), SparseGPT (arXiv 2301.00774), in blocks of columns.
///
/// With U upper triangular and (G + damping)^-1 = U^T U, the loss is the sum of ((w_j - v_j) / U_jj)^2 over
/// columns, w_j being the column as compensated when its turn comes; 1 / U_jj^2 therefore weights the search
/// for scales.
///
/// With 2 bits, scales that cover the largest weight (the paper's) make this worse than rounding with searched scales and
/// no compensation: their step is 2.6 times the weights' root mean square, so that eight weights in ten become 0 and move
/// on whole. Columns to come grow (the last groups of 384 columns by a quarter to 40 %, of 1536 by 60 %), the larger ones
/// widen the next group's step, and what the last columns hold has nowhere to go: on MiniLM the matrix ends as far from W
/// as 0 is. Scales of least squared error, a step of 1.0, break that chain: columns grow by 4 - 20 %.
struct ErrorCompensation: Sendable {
    /// Columns in the order of the sweep.
    let order: [Int]
    /// The positions of every group in that order, and the group; empty where groups are torn apart.
    private let spans: [(positions: Range<Int>, group: Int)]
    /// U, in the order of the sweep.
    let inverseRoot: Matrix
    /// 1 / U_jj^2 in the order of the sweep, but for a common factor.
    let importance: [Float]
    /// The positions of a group at the first of them, nil at the others.
    let spanStarts: [Range<Int>?]

    /// Up to this size the inverse root is solved for as a whole.
    private static let wholeInverse = 2048

    /// Columns of a block, unless one group is longer.
    static let blockSize = 128

    /// - Parameter relativeDamping: added to the diagonal, times its mean, on top of the Gram matrix's own.
    /// Nil when G is zero, or too nearly singular to invert. About columns^3 multiply-adds.
    init?(_ gram: Gram, relativeDamping: Double, order columnOrder: ColumnOrder, groupSize: Int) throws {
        let size = gram.size
        let diagonal = gram.diagonal
        // Only the proportions of G matter: by a power of 4, whose root is exact, U is kept within the range of `Float`.
        let mean = diagonal.reduce(0, +) / Double(max(1, size))
        guard mean > 0, mean.isFinite else { return nil }
        let unit = Double(sign: .plus, exponent: -2 * (Int(mean.exponent) / 2), significand: 1)
        let groups = (0..<(size + groupSize - 1) / groupSize).map { $0 * groupSize..<min(size, ($0 + 1) * groupSize) }
        func sorted(_ columns: Range<Int>) -> [Int] {
            columns.sorted { (diagonal[$0], $1) > (diagonal[$1], $0) }
        }
        var order: [Int] = []
        var spans: [(positions: Range<Int>, group: Int)] = []
        switch columnOrder {
        case .largestInputs: order = sorted(0..<size)
        case .stored:
            order = Array(0..<size)
            spans = groups.enumerated().map { ($1, $0) }
        case .largestGroups:
            let means = groups.map { columns in columns.reduce(0) { $0 + diagonal[$1] } / Double(columns.count) }
            for group in groups.indices.sorted(by: { (means[$0], $1) > (means[$1], $0) }) {
                spans.append((order.count..<order.count + groups[group].count, group))
                order += sorted(groups[group])
            }
        }
        let damping = relativeDamping * mean
        // Backwards in both indices: the lower Cholesky factor L of the reversed matrix has L^-1, turned
        // around, as the upper factor of the inverse.
        let (sweep, kept) = (order, gram.matrix)
        let reversed = DoubleMatrix(rows: size, columns: size) { row, column in
            (kept[sweep[size - 1 - row], sweep[size - 1 - column]] + (row == column ? damping : 0)) * unit
        }
        gram.release()
        let root = try SymmetricRoot(reversed, relativeFloor: 1e-13)
        guard root.method == .cholesky else { return nil }
        // Rows of the inverse do not depend on each other; only so many are held in `Double` at a time.
        var inverseRoot = Matrix(rows: size, columns: size)
        let rowsAtOnce = size <= Self.wholeInverse ? max(1, size) : 512
        for first in stride(from: 0, to: size, by: rowsAtOnce) {
            let rows = first..<min(size, first + rowsAtOnce)
            var identity = DoubleMatrix(rows: rows.count, columns: size)
            for row in rows { identity[row - first, row] = 1 }
            let inverse = root.solveRight(identity)
            for row in rows {
                for column in 0..<size { inverseRoot[size - 1 - row, size - 1 - column] = Float(inverse[row - first, column]) }
            }
        }
        importance = (0..<size).map { 1 / (inverseRoot[$0, $0] * inverseRoot[$0, $0]) }
        self.inverseRoot = inverseRoot
        self.order = order
        self.spans = spans
        var starts = [Range<Int>?](repeating: nil, count: size)
        for (positions, _) in spans { starts[positions.lowerBound] = positions }
        spanStarts = starts
    }

    /// Whole groups where there are any, so that a group's columns are fully compensated when its scale is chosen.
    private var blocks: [Range<Int>] {
        let size = order.count
        guard !spans.isEmpty else {
            return stride(from: 0, to: size, by: Self.blockSize).map { $0..<min(size, $0 + Self.blockSize) }
        }
        var blocks: [Range<Int>] = []
        for (positions, _) in spans {
            if let last = blocks.last, positions.upperBound - last.lowerBound <= Self.blockSize {
                blocks[blocks.count - 1] = last.lowerBound..<positions.upperBound
            } else {
                blocks.append(positions)
            }
        }
        return blocks
    }

    /// Rows rounded with compensation; rows do not depend on each other. About rows columns^2 multiply-adds.
    func round(_ rows: MatrixView, groupSize: Int, quantizer: GroupQuantizer) -> QuantizedRows {
        let (count, size) = (rows.rows, rows.columns)
        let groups = (size + groupSize - 1) / groupSize
        var search = PaddedGroup(groupSize: min(groupSize, size))
        var result = QuantizedRows(rows: count, columns: size, groupSize: groupSize)
        if spans.isEmpty {
            var byColumn = importance
            for (position, column) in order.enumerated() { byColumn[column] = importance[position] }
            for row in 0..<count {
                for group in 0..<groups {
                    let columns = group * groupSize..<min(size, (group + 1) * groupSize)
                    result.scales[row * groups + group] = search.scale(quantizer, rows.row(row), byColumn, columns)
                }
            }
        }
        var scale = GroupScale()
        sweep(rows) { row, weights, position, column in
            let group = row * groups + column / groupSize
            if let positions = spanStarts[position] {
                scale = search.scale(quantizer, weights, importance, positions)
                result.scales[group] = scale
            } else if spans.isEmpty {
                scale = result.scales[group]
            }
            let code = quantizer.code(weights[position], scale)
            result.codes[row * size + column] = Int8(code)
            return quantizer.value(code, scale)
        }
        return result
    }

    /// Replaces every weight by what `rounded` makes of it, row by row within a block of columns, and moves the error on.
    /// - Parameter rounded: gets a row, its weights in the order of the sweep as compensated so far, the position of the
    ///   one to round and the column that is; returns the rounded value.
    func sweep(
        _ rows: MatrixView,
        rounded: (_ row: Int, _ weights: UnsafePointer<Float>, _ position: Int, _ column: Int) -> Float
    ) {
        withoutActuallyEscaping(rounded) { rounded in
            var rule = RoundingRule(order: order, rounded: rounded)
            var current = Matrix(rows: rows.rows, columns: rows.columns) { rows.row($0)[order[$1]] }
            current.withMutableView { sweep($0, blocks: blocks, rule: &rule) }
        }
    }
}

/// Every weight by itself.
private struct RoundingRule: ColumnRule {
    let order: [Int]
    let rounded: (_ row: Int, _ weights: UnsafePointer<Float>, _ position: Int, _ column: Int) -> Float

    var chunk: Int { order.count }
    var tile: Int { 1 }

    mutating func begin(rows: Range<Int>, positions: Range<Int>, weights: MutableMatrixView) {}

    @inline(__always)
    mutating func settle(row: Int, position: Int, weights: UnsafePointer<Float>) -> Float {
        rounded(row, weights, position, order[position])
    }
}
