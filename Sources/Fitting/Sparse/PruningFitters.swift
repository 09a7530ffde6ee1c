import StructuredMatrices
import Tensors

/// N of every M consecutive weights, chosen and updated by a pruning method.
public struct NMSparseFitter<Method: PruningMethod>: Fitter {
    public static var method: FittingMethod { FittingMethod(Method.self, prefix: "nm", family: NMSparse.family) }

    /// N; nil takes as many as the budget allows.
    public var kept: Int?
    /// M: 4, 8 or 16; must divide the columns.
    public var group: Int
    public var pruning: Method

    public init(kept: Int? = nil, group: Int = 4, pruning: Method = Method()) {
        self.kept = kept
        self.group = group
        self.pruning = pruning
    }

    /// The method's own work.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<NMSparse> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let kept = try kept(within: size, shape: shape, context: context)
        let pruned = try pruning.prune(
            weight, objective: objective, pattern: .groups(kept: kept, of: group), context: context)
        var (values, places) = ([Float](), [UInt8]())
        values.reserveCapacity(shape.count / group * kept)
        places.reserveCapacity(values.capacity)
        for row in 0..<shape.rows {
            for column in pruned.mask.columns(ofTiles: row) {
                values.append(pruned.values[row, column])
                places.append(UInt8(column % group))
            }
        }
        let matrix = try NMSparse(
            values: values, places: places, shape: shape, kept: kept, group: group, precision: context.precision)
        return try Fit(pruned, matrix, for: weight, objective: objective, context: context)
    }

    private func kept(within size: SizeBudget, shape: MatrixShape, context: FitContext) throws -> Int {
        func invalid(_ option: String, _ expected: String, _ got: Int) -> FittingError {
            .invalidOption(fitter: Self.method.name, option: option, expected: expected, got: got)
        }
        guard NMSparse.supportedGroups.contains(group) else { throw invalid("group", "4, 8 or 16", group) }
        if let kept, !(1...group).contains(kept) { throw invalid("kept", "1 to \(group)", kept) }
        guard shape.columns % group == 0 else {
            throw FittingError.ungroupable(
                matrix: context.name, family: NMSparse.family.name, shape: shape, group: group)
        }
        return try size.largest(
            in: kept.map { $0...$0 } ?? 1...group, family: NMSparse.family, shape: shape, matrix: context.name
        ) { NMSparse.cost(shape: shape, kept: $0, group: group, precision: context.precision) }
    }
}

/// Weights anywhere in the matrix, chosen and updated by a pruning method; zeros are never stored.
public struct SparseRowsFitter<Method: PruningMethod>: Fitter {
    public static var method: FittingMethod {
        FittingMethod(Method.self, prefix: "csr", family: CompressedSparseRows.family)
    }

    /// Weights to keep at most; nil takes as many as the budget allows.
    public var entries: Int?
    /// Whether every row keeps equally many (the entries over the rows, rounded down), as in the papers, instead of the
    /// best of the matrix.
    public var evenRows: Bool
    public var pruning: Method

    public init(entries: Int? = nil, evenRows: Bool = false, pruning: Method = Method()) {
        self.entries = entries
        self.evenRows = evenRows
        self.pruning = pruning
    }

    /// The method's own work.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<CompressedSparseRows> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        if let entries, entries < 0 {
            throw FittingError.invalidOption(
                fitter: Self.method.name, option: "entries", expected: "0 or more", got: entries)
        }
        let largest = min(entries ?? shape.count, shape.count)
        let count = try size.largest(
            in: (entries == nil ? min(1, largest) : largest)...largest, family: CompressedSparseRows.family,
            shape: shape, matrix: context.name
        ) { CompressedSparseRows.cost(shape: shape, entries: $0, precision: context.precision) }
        let pattern: SparsityPattern =
            evenRows ? .groups(kept: count / shape.rows, of: shape.columns) : .entries(count)
        let pruned = try pruning.prune(weight, objective: objective, pattern: pattern, context: context)
        let matrix = CompressedSparseRows(pruned.values, precision: context.precision) {
            pruned.mask[$0, $1] && pruned.values[$0, $1] != 0
        }
        return try Fit(pruned, matrix, for: weight, objective: objective, context: context)
    }
}

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
        func invalid(_ option: String, _ expected: String, _ got: Int) -> FittingError {
            .invalidOption(fitter: Self.method.name, option: option, expected: expected, got: got)
        }
        guard tile >= 1 else { throw invalid("tile", "1 or more", tile) }
        // More rows than there are make the same groups.
        let tile = min(tile, shape.rows)
        if let kept, !(1...shape.columns).contains(kept) { throw invalid("kept", "1 to \(shape.columns)", kept) }
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

public typealias NMMagnitudeFitter = NMSparseFitter<MagnitudePruning>
public typealias NMWandaFitter = NMSparseFitter<WandaPruning>
public typealias SparseMagnitudeFitter = SparseRowsFitter<MagnitudePruning>
public typealias SparseWandaFitter = SparseRowsFitter<WandaPruning>

extension FittingMethod {
    /// A pruning method in one family.
    init(_ method: any PruningMethod.Type, prefix: String, family: Family) {
        self.init(
            name: "\(prefix)-\(method.name)", family: family, objectives: method.objectives, summary: method.summary,
            source: method.source)
    }
}

extension Fit {
    /// Measures the stored values; the trace is that of the pruning method.
    init(
        _ pruned: PrunedWeight, _ matrix: Fitted, for weight: Matrix, objective: Objective, context: FitContext
    ) throws {
        let trace = pruned.trace
        try self.init(
            measuring: matrix, for: weight, objective: objective, context: context, trace: trace.isEmpty ? nil : trace)
    }
}
