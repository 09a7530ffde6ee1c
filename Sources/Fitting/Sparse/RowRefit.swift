import LinearAlgebra
import Tensors

/// The exact best values for a given mask: for every row the least squares problem of its kept weights under G.
///
/// With J the kept columns and e the row's error so far, the weights move by (G_JJ)^-1 (e G)_J. Where fewer columns D are
/// dropped than kept, the same values come from the smaller system of the inverse H = G^-1 (Optimal Brain Surgeon, Hassibi,
/// Stork 1993, for many weights at once): w - w_D (H_DD)^-1 H_D. Rows of one tile share the factorisation. Memory: 16 times the
/// smaller number squared in bytes a thread, 24 rows columns, and 16 columns^2 for H.
struct RowRefit {
    let gram: Gram

    /// rows columns^2 multiply-adds, and min(kept, dropped)^3 / 3 for every row of tiles; columns^3 for H where it is needed.
    /// Rows are shared among `context.execution`'s threads.
    /// - Throws: `FittingError.cancelled`, `LinearAlgebraError`.
    func refit(_ pruned: inout PrunedWeight, of weight: Matrix, context: FitContext) throws {
        let (mask, values) = (pruned.mask, pruned.values)
        let inverse = try 2 * mask.keeps.count { $0 } > mask.keeps.count ? inverse() : nil
        let tilesAtOnce = max(1, 64 / mask.pattern.tile)
        let pieces = try context.execution.parallelMap((mask.tileRows + tilesAtOnce - 1) / tilesAtOnce) { piece in
            try context.checkCancellation()
            let tiles = piece * tilesAtOnce..<min(mask.tileRows, (piece + 1) * tilesAtOnce)
            return try refit(tiles, mask, values, weight, inverse, context)
        }
        pruned.values = Matrix(rows: weight.rows, columns: weight.columns, elements: pieces.flatMap(\.elements))
    }

    /// G^-1; nil where G is too nearly singular to have one.
    private func inverse() throws -> DoubleMatrix? {
        let root = try gram.root()
        guard root.method == .cholesky else { return nil }
        return root.solve(DoubleMatrix(rows: gram.size, columns: gram.size) { $0 == $1 ? 1 : 0 })
    }

    private func refit(
        _ tiles: Range<Int>, _ mask: WeightMask, _ values: Matrix, _ weight: Matrix, _ inverse: DoubleMatrix?,
        _ context: FitContext
    ) throws -> Matrix {
        let columns = weight.columns
        let rows = mask.rows(ofTiles: tiles.lowerBound).lowerBound..<mask.rows(ofTiles: tiles.upperBound - 1).upperBound
        var result = values.block(rows: rows, columns: 0..<columns)
        // What kept weights move by times G, or what dropped ones weigh times H: each product is for all rows at once.
        var gradient: DoubleMatrix?
        var dropped = DoubleMatrix(rows: inverse == nil ? 0 : rows.count, columns: columns)
        var byInverse: [(kept: [Int], rows: Range<Int>)] = []
        var solver: (size: Int, solver: PositiveSolver)?
        /// A^-1 B for the chosen rows and columns of a matrix, chosen x rows; nil where that has no step to take.
        func solved(
            _ chosen: [Int], of matrix: DoubleMatrix, for range: Range<Int>, _ side: (_ row: Int, _ column: Int) -> Double
        ) -> DoubleBuffer? {
            let steps = DoubleBuffer(rows: chosen.count, columns: range.count)
            guard !chosen.isEmpty else { return steps }
            if solver?.size != chosen.count { solver = (chosen.count, PositiveSolver(size: chosen.count)) }
            guard let solver = solver?.solver else { return nil }
            Self.gather(chosen, of: matrix, into: solver.matrix)
            guard solver.factorise() else { return nil }
            for (position, column) in chosen.enumerated() {
                for (place, row) in range.enumerated() { steps.view.row(position)[place] = side(row, column) }
            }
            solver.solveLeft(steps.view)
            return steps
        }
        for tile in tiles {
            let kept = mask.columns(ofTiles: tile)
            guard !kept.isEmpty else { continue }
            try context.checkCancellation()
            let own = mask.rows(ofTiles: tile)
            let range = own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound
            if let inverse, 2 * kept.count > columns {
                let isKept = Set(kept)
                let gone = (0..<columns).filter { !isKept.contains($0) }
                guard
                    let steps = solved(gone, of: inverse, for: range, { Double(weight[rows.lowerBound + $0, $1]) })
                else { continue }
                for (position, column) in gone.enumerated() {
                    for (place, row) in range.enumerated() { dropped[row, column] = steps.view.row(position)[place] }
                }
                byInverse.append((kept, range))
                continue
            }
            let slope = gradient ?? slopes(result, of: weight, rows)
            gradient = slope
            guard let steps = solved(kept, of: gram.matrix, for: range, { slope[$0, $1] }) else { continue }
            for (place, row) in range.enumerated() {
                let moved = kept.indices.map { Float(Double(result[row, kept[$0]]) + steps.view.row($0)[place]) }
                set(moved, at: kept, of: row, in: &result)
            }
        }
        if let inverse, !byInverse.isEmpty {
            let changes = dropped.multiplied(by: inverse)
            for (kept, range) in byInverse {
                for row in range {
                    let moved = kept.map { Float(Double(weight[rows.lowerBound + row, $0]) - changes[row, $0]) }
                    set(moved, at: kept, of: row, in: &result)
                }
            }
        }
        return result
    }

    /// The kept weights of a row, unless one would not be finite.
    private func set(_ values: [Float], at kept: [Int], of row: Int, in result: inout Matrix) {
        guard values.allSatisfy(\.isFinite) else { return }
        for (column, value) in zip(kept, values) { result[row, column] = value }
    }

    /// e G for some rows, none of which has changed yet.
    private func slopes(_ values: Matrix, of weight: Matrix, _ rows: Range<Int>) -> DoubleMatrix {
        let error = DoubleMatrix(rows: rows.count, columns: weight.columns) {
            Double(weight[rows.lowerBound + $0, $1]) - Double(values[$0, $1])
        }
        return error.multiplied(by: gram.matrix)
    }

    /// The lower triangle of the rows and columns chosen.
    private static func gather(_ chosen: [Int], of matrix: DoubleMatrix, into target: MutableDenseMatrixView<Double>) {
        matrix.withView { matrix in
            chosen.withUnsafeBufferPointer { chosen in
                for row in chosen.indices {
                    let (source, place) = (matrix.row(chosen[row]), target.row(row))
                    for column in 0...row { place[column] = source[chosen[column]] }
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
