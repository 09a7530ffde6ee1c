import LinearAlgebra
import Tensors

/// The mask as a binary quadratic programme, solved block by block (Combinatorial Brain Surgeon, arXiv 2203.04466; iCBS,
/// arXiv 2411.17796), from SparseGPT's mask with exact refit.
///
/// With e the row's error, v = e G and d_i the change of e that toggling weight i makes, a choice z of toggles moves the
/// row's loss by 2 sum z_i d_i v_i + sum z_i z_j d_i d_j G_ij. A block is an N:M group, or, in wider pools, the kept weights
/// that cost least and the dropped ones that gain most; small blocks are solved by trying all choices. Passes over the
/// blocks and exact refits take turns, and every row of tiles keeps the best it has seen.
public struct CombinatorialPruning: PruningMethod {
    public static let name = "icbs"
    public static let summary = "SparseGPT's mask bettered block by block as a binary quadratic programme, refitted"
    public static let source = "iCBS, arXiv 2411.17796"
    public static let objectives: [Objective.Kind] = Objective.Kind.allCases

    /// Passes over the blocks, each followed by a refit.
    public var passes: Int
    /// Weights of a block in pools wider than 16 columns.
    public var blockSize: Int
    /// Whether kept weights are refitted to those that went; otherwise the programme is about the weights as they are, from
    /// Wanda's mask.
    public var updatesWeights: Bool
    /// What to better instead of SparseGPT's mask, or Wanda's: of the same weight, objective and pattern.
    package var start: PrunedWeight?

    public init() { self.init(passes: 2) }
    public init(passes: Int, blockSize: Int = 12, updatesWeights: Bool = true) {
        self.passes = passes
        self.blockSize = blockSize
        self.updatesWeights = updatesWeights
    }

    /// For every pass rows columns^2 multiply-adds for the gradient, as many again at most for the moves, and a refit. Under
    /// `.frobenius` nothing interacts, and the magnitude rule is the optimum.
    public func prune(
        _ weight: Matrix, objective: Objective, pattern: SparsityPattern, context: FitContext
    ) throws -> PrunedWeight {
        guard let gram = objective.gram else {
            return try MagnitudePruning().prune(weight, objective: objective, pattern: pattern, context: context)
        }
        var best: PrunedWeight
        if let start {
            best = start
            best.trace = [try objective.error(of: best.values, for: weight, name: context.name)]
        } else if updatesWeights {
            best = try RefittedPruning<SparseGPTPruning>().prune(
                weight, objective: objective, pattern: pattern, context: context)
        } else {
            best = try WandaPruning().prune(weight, objective: objective, pattern: pattern, context: context)
            best.trace = [try objective.error(of: best.values, for: weight, name: context.name)]
        }
        for pass in 0..<passes {
            try context.checkCancellation()
            var next = try improved(best, weight, gram, context)
            guard next.mask != best.mask else { break }
            if updatesWeights { try RowRefit(gram: gram).refit(&next, of: weight, context: context) }
            best = Self.better(best, next, weight, objective)
            let error = try objective.error(of: best.values, for: weight, name: context.name)
            best.trace.append(error)
            context.progress(FitProgress(sweep: pass + 1, limit: passes, relativeError: error))
        }
        return best
    }

    private func improved(
        _ start: PrunedWeight, _ weight: Matrix, _ gram: Gram, _ context: FitContext
    ) throws -> PrunedWeight {
        let (mask, columns) = (start.mask, weight.columns)
        let error = DoubleMatrix(rows: weight.rows, columns: columns) {
            Double(weight[$0, $1]) - Double(start.values[$0, $1])
        }
        let gradient = error.multiplied(by: gram.matrix)
        let tiles = try context.execution.parallelMap(mask.tileRows) { tile in
            try context.checkCancellation()
            let rows = mask.rows(ofTiles: tile)
            var programme = TileProgramme(
                gram: gram.matrix, weight: weight.block(rows: rows, columns: 0..<columns).converted(),
                values: start.values.block(rows: rows, columns: 0..<columns).converted(),
                gradient: gradient.block(rows: rows, columns: 0..<columns),
                keeps: Array(mask.keeps[tile * columns..<(tile + 1) * columns]), updatesWeights: updatesWeights)
            if let pool = mask.pattern.pool, pool <= 16 {
                for first in stride(from: 0, to: columns, by: pool) { _ = programme.solve(Array(first..<first + pool)) }
            } else {
                // Every block moves the boundary by a few weights.
                for _ in 0..<max(1, columns / 4) {
                    guard programme.solve(programme.boundary(blockSize)) else { break }
                }
            }
            return (values: programme.values.elements.map(Float.init), keeps: programme.keeps)
        }
        return PrunedWeight(
            values: Matrix(rows: weight.rows, columns: columns, elements: tiles.flatMap(\.values)),
            mask: WeightMask(pattern: mask.pattern, rows: weight.rows, columns: columns, keeps: tiles.flatMap(\.keeps)),
            trace: start.trace)
    }

    /// Of every row of tiles the one with the smaller loss.
    private static func better(
        _ old: PrunedWeight, _ new: PrunedWeight, _ weight: Matrix, _ objective: Objective
    ) -> PrunedWeight {
        let (before, after) = (rowLosses(old.values, weight, objective), rowLosses(new.values, weight, objective))
        var result = old
        let columns = weight.columns
        for tile in 0..<old.mask.tileRows {
            let rows = old.mask.rows(ofTiles: tile)
            guard rows.reduce(0, { $0 + after[$1] }) < rows.reduce(0, { $0 + before[$1] }) else { continue }
            let cells = rows.lowerBound * columns..<rows.upperBound * columns
            result.values.elements.replaceSubrange(cells, with: new.values.elements[cells])
            let units = tile * columns..<(tile + 1) * columns
            result.mask.keeps.replaceSubrange(units, with: new.mask.keeps[units])
        }
        return result
    }

    private static func rowLosses(_ values: Matrix, _ weight: Matrix, _ objective: Objective) -> [Double] {
        guard let gram = objective.gram else { return [Double](repeating: 0, count: weight.rows) }
        let error = DoubleMatrix(rows: weight.rows, columns: weight.columns) {
            Double(weight[$0, $1]) - Double(values[$0, $1])
        }
        let gradient = error.multiplied(by: gram.matrix)
        return (0..<weight.rows).map { row in zip(error.row(row), gradient.row(row)).reduce(0) { $0 + $1.0 * $1.1 } }
    }
}
