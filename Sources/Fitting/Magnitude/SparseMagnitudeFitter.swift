import StructuredMatrices
import Tensors

/// Keeps the best weights of the whole matrix as they are, as many as the budget allows; zeros never.
public struct SparseMagnitudeFitter: Fitter {
    public static let method = FittingMethod(
        name: "csr-magnitude", family: CompressedSparseRows.family, objectives: [.frobenius, .activations],
        summary: "the largest weights of the matrix, weighted by the size of their inputs",
        source: "Wanda, arXiv 2306.11695")

    /// Weights to keep at most; nil takes as many as the budget allows.
    public var entries: Int?

    public init(entries: Int? = nil) { self.entries = entries }

    /// One sort of all weights.
    /// - Throws: `FittingError`.
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
        let order = KeptWeights(weight, objective: objective)
        let places = (0..<shape.count).filter { weight.elements[$0] != 0 }.sorted {
            order.precedes(
                (row: $0 / shape.columns, column: $0 % shape.columns),
                (row: $1 / shape.columns, column: $1 % shape.columns))
        }
        try context.checkCancellation()
        var keeps = [Bool](repeating: false, count: shape.count)
        for place in places.prefix(count) { keeps[place] = true }
        let matrix = CompressedSparseRows(weight, precision: context.precision) { keeps[$0 * shape.columns + $1] }
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }
}
