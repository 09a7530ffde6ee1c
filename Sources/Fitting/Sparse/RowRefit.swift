import LinearAlgebra
import Tensors

/// The exact best values for a given mask: for every row the least squares problem of its kept weights under G.
///
/// With J the kept columns and e the row's error so far, the weights move by (G_JJ)^-1 (e G)_J; rows of one tile share the
/// factorisation. Memory: 16 kept^2 bytes a thread and 24 rows columns.
struct RowRefit {
    let gram: Gram

    /// rows columns^2 multiply-adds, and kept^3 / 3 for every row of tiles. Rows are shared among `context.execution`'s
    /// threads.
    /// - Throws: `FittingError.cancelled`.
    func refit(_ pruned: inout PrunedWeight, of weight: Matrix, context: FitContext) throws {
        let (mask, values) = (pruned.mask, pruned.values)
        let tilesAtOnce = max(1, 64 / mask.pattern.tile)
        let pieces = try context.execution.parallelMap((mask.tileRows + tilesAtOnce - 1) / tilesAtOnce) { piece in
            try context.checkCancellation()
            let tiles = piece * tilesAtOnce..<min(mask.tileRows, (piece + 1) * tilesAtOnce)
            return try refit(tiles, mask, values, weight, context)
        }
        pruned.values = Matrix(rows: weight.rows, columns: weight.columns, elements: pieces.flatMap(\.elements))
    }

    private func refit(
        _ tiles: Range<Int>, _ mask: WeightMask, _ values: Matrix, _ weight: Matrix, _ context: FitContext
    ) throws -> Matrix {
        let columns = weight.columns
        let rows = mask.rows(ofTiles: tiles.lowerBound).lowerBound..<mask.rows(ofTiles: tiles.upperBound - 1).upperBound
        var result = values.block(rows: rows, columns: 0..<columns)
        let error = DoubleMatrix(rows: rows.count, columns: columns) {
            Double(weight[rows.lowerBound + $0, $1]) - Double(result[$0, $1])
        }
        let gradient = error.multiplied(by: gram.matrix)
        var solver: (size: Int, solver: PositiveSolver)?
        for tile in tiles {
            let kept = mask.columns(ofTiles: tile)
            guard !kept.isEmpty else { continue }
            try context.checkCancellation()
            if solver?.size != kept.count { solver = (kept.count, PositiveSolver(size: kept.count)) }
            guard let solver = solver?.solver else { continue }
            gather(kept, into: solver.matrix)
            guard solver.factorise() else { continue }
            let own = mask.rows(ofTiles: tile)
            let steps = DoubleBuffer(rows: kept.count, columns: own.count)
            for (position, column) in kept.enumerated() {
                for row in own { steps.view.row(position)[row - own.lowerBound] = gradient[row - rows.lowerBound, column] }
            }
            solver.solveLeft(steps.view)
            for row in own {
                let moved = kept.indices.map {
                    Float(Double(result[row - rows.lowerBound, kept[$0]]) + steps.view.row($0)[row - own.lowerBound])
                }
                guard moved.allSatisfy(\.isFinite) else { continue }
                for (column, value) in zip(kept, moved) { result[row - rows.lowerBound, column] = value }
            }
        }
        return result
    }

    /// The lower triangle of G_JJ.
    private func gather(_ kept: [Int], into target: MutableDenseMatrixView<Double>) {
        gram.matrix.withView { g in
            kept.withUnsafeBufferPointer { kept in
                for row in kept.indices {
                    let (source, place) = (g.row(kept[row]), target.row(row))
                    for column in 0...row { place[column] = source[kept[column]] }
                }
            }
        }
    }
}

/// Another method's mask with the exact best values for it: never worse than that method under the objective.
public struct RefittedPruning<Base: PruningMethod>: PruningMethod {
    public static var name: String { "\(Base.name)-refit" }
    public static var summary: String { "\(Base.summary); then exact least squares of what is kept" }
    public static var source: String { Base.source }
    public static var objectives: [Objective.Kind] { Objective.Kind.allCases }

    public var base: Base

    public init() { self.init(Base()) }
    public init(_ base: Base) { self.base = base }

    /// Beyond the method's own work: rows columns^2 multiply-adds, and kept^3 / 3 for every row.
    public func prune(
        _ weight: Matrix, objective: Objective, pattern: SparsityPattern, context: FitContext
    ) throws -> PrunedWeight {
        var pruned = try base.prune(weight, objective: objective, pattern: pattern, context: context)
        // Under Frobenius weights that stay as they are cannot be bettered.
        guard let gram = objective.gram else { return PrunedWeight(keeping: pruned.mask, of: weight) }
        if pruned.trace.isEmpty {
            pruned.trace = [try objective.error(of: pruned.values, for: weight, name: context.name)]
        }
        try RowRefit(gram: gram).refit(&pruned, of: weight, context: context)
        pruned.trace.append(try objective.error(of: pruned.values, for: weight, name: context.name))
        return pruned
    }
}
