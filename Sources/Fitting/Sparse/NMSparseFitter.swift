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
        guard NMSparse.supportedGroups.contains(group) else { throw Self.invalid("group", "4, 8 or 16", group) }
        if let kept, !(1...group).contains(kept) { throw Self.invalid("kept", "1 to \(group)", kept) }
        guard shape.columns % group == 0 else {
            throw FittingError.ungroupable(
                matrix: context.name, family: NMSparse.family.name, shape: shape, group: group)
        }
        return try size.largest(
            in: kept.map { $0...$0 } ?? 1...group, family: NMSparse.family, shape: shape, matrix: context.name
        ) { NMSparse.cost(shape: shape, kept: $0, group: group, precision: context.precision) }
    }
}

public typealias NMMagnitudeFitter = NMSparseFitter<MagnitudePruning>
public typealias NMWandaFitter = NMSparseFitter<WandaPruning>
