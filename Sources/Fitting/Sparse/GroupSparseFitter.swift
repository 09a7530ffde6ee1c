import StructuredMatrices
import Tensors

/// Groups of rows that share their columns, equally many in every group, chosen and updated by a pruning method.
public struct GroupSparseFitter<Method: PruningMethod>: Fitter {
    public static var method: FittingMethod { FittingMethod(Method.self, prefix: "group", family: GroupSparse.family) }

    /// Columns of a group; nil takes as many as the budget allows.
    public var kept: Int?
    /// Rows of a group.
    public var tile: Int
    public var pruning: Method

    public init(kept: Int? = nil, tile: Int = 8, pruning: Method = Method()) {
        self.kept = kept
        self.tile = tile
        self.pruning = pruning
    }

    /// The method's own work.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<GroupSparse> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        guard tile >= 1 else { throw Self.invalid("tile", "1 or more", tile) }
        // More rows than there are make the same groups.
        let tile = min(tile, shape.rows)
        if let kept, !(1...shape.columns).contains(kept) { throw Self.invalid("kept", "1 to \(shape.columns)", kept) }
        let kept = try size.largest(
            in: kept.map { $0...$0 } ?? 1...shape.columns, family: GroupSparse.family, shape: shape,
            matrix: context.name
        ) { GroupSparse.cost(shape: shape, kept: $0, tile: tile, precision: context.precision) }
        let pruned = try pruning.prune(
            weight, objective: objective, pattern: .sharedColumns(kept, of: shape.columns, tile: tile), context: context)
        let columns = (0..<pruned.mask.tileRows).map { pruned.mask.columns(ofTiles: $0) }
        let values = (0..<shape.rows).flatMap { row in columns[row / tile].map { pruned.values[row, $0] } }
        let matrix = try GroupSparse(
            values: values, columns: columns.joined().map { UInt32($0) }, shape: shape, kept: kept, tile: tile,
            precision: context.precision)
        return try Fit(pruned, matrix, for: weight, objective: objective, context: context)
    }
}
