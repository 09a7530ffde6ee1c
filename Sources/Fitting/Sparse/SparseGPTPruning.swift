import Tensors

/// Drops the weights of one column after another and moves each column's error into the columns still to come
/// (SparseGPT, Frantar and Alistarh 2023, arXiv 2301.00774), with the sweep that rounding with compensation uses.
///
/// Weights are chosen by w^2 / U_jj^2 once everything before them is compensated: group by group for N:M; for pools wider
/// than a block of columns block by block, each row keeping as many of a block as it has among the best of its pool at the
/// start. Damping is the Gram matrix's own, as everywhere.
public struct SparseGPTPruning: PruningMethod {
    public static let name = "sparsegpt"
    public static let summary = "column by column, errors compensated in the columns still to come"
    public static let source = "SparseGPT, arXiv 2301.00774"
    public static let objectives: [Objective.Kind] = [.activations]

    public init() {}

    /// rows columns^2 multiply-adds, and columns^3 once for a Gram matrix; rows are shared among `context.execution`'s
    /// threads. Under `.frobenius`, and where all inputs are zero, the magnitude rule, which is exact there.
    public func prune(
        _ weight: Matrix, objective: Objective, pattern: SparsityPattern, context: FitContext
    ) throws -> PrunedWeight {
        guard let gram = objective.gram, let compensation = try gram.sweep() else {
            return try MagnitudePruning().prune(weight, objective: objective, pattern: pattern, context: context)
        }
        let start = WeightMask(best: weight, importance: compensation.importance.map(Double.init), pattern: pattern)
        let rowsAtOnce = max(1, 256 / pattern.tile) * pattern.tile
        let pieces = try weight.withView { view in
            try context.execution.parallelMap((weight.rows + rowsAtOnce - 1) / rowsAtOnce) { piece in
                try context.checkCancellation()
                let rows = piece * rowsAtOnce..<min(weight.rows, (piece + 1) * rowsAtOnce)
                var rule = PruningRule(start, rows: rows, importance: compensation.importance)
                var values = Matrix(rows: rows.count, columns: weight.columns) { view.row(rows.lowerBound + $0)[$1] }
                values.withMutableView { compensation.sweep($0, rule: &rule) }
                return (values: values.elements, keeps: rule.keeps)
            }
        }
        let mask = WeightMask(
            pattern: pattern, rows: weight.rows, columns: weight.columns, keeps: pieces.flatMap(\.keeps))
        let values = Matrix(rows: weight.rows, columns: weight.columns, elements: pieces.flatMap(\.values))
        return PrunedWeight(
            values: values, mask: mask, trace: [try objective.error(of: values, for: weight, name: context.name)])
    }
}

/// Drops what is chosen at the start of every group of columns.
private struct PruningRule: ColumnRule {
    let chunk: Int
    let tile: Int
    private let columns: Int
    private let importance: [Float]
    /// One for every unit of the piece; at first the mask that says how many each block keeps, then the mask chosen.
    private(set) var keeps: [Bool]
    private var units: [RankedUnit] = []

    /// Columns that pools wider than these are decided by.
    private static let block = 128

    init(_ start: WeightMask, rows: Range<Int>, importance: [Float]) {
        columns = start.columns
        tile = start.pattern.tile
        chunk = start.pattern.pool.map { $0 <= 16 ? $0 : Self.block } ?? Self.block
        self.importance = importance
        let tiles = rows.lowerBound / tile..<(rows.upperBound + tile - 1) / tile
        keeps = Array(start.keeps[tiles.lowerBound * columns..<tiles.upperBound * columns])
    }

    mutating func begin(rows: Range<Int>, positions: Range<Int>, weights: MutableMatrixView) {
        let first = rows.lowerBound / tile * columns
        var kept = 0
        units.removeAll(keepingCapacity: true)
        for position in positions {
            if keeps[first + position] { kept += 1 }
            keeps[first + position] = false
            var unit = RankedUnit(position)
            for row in rows {
                let value = Double(weights.row(row)[position])
                unit.score += value * value * Double(importance[position])
                unit.magnitude += abs(value)
            }
            units.append(unit)
        }
        units.sort()
        for unit in units.prefix(kept) { keeps[first + unit.index] = true }
    }

    mutating func settle(row: Int, position: Int, weights: UnsafePointer<Float>) -> Float {
        keeps[row / tile * columns + position] ? weights[position] : 0
    }
}
