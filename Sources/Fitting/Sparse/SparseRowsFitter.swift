import StructuredMatrices
import Tensors

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
            throw Self.invalid("entries", "0 or more", entries)
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

public typealias SparseMagnitudeFitter = SparseRowsFitter<MagnitudePruning>
public typealias SparseWandaFitter = SparseRowsFitter<WandaPruning>
