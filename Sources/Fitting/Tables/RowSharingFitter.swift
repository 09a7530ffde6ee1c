import LinearAlgebra
import StructuredMatrices
import Tensors

/// Rows that are alike share one: k-means over whole rows with the rows' weights, and the means quantized.
public struct RowSharingFitter: Fitter {
    public static let method = FittingMethod(
        name: "row-sharing", family: SharedRows.family, objectives: [.frobenius, .fisher],
        summary: "clusters of rows that share one row, found by weighted k-means",
        source: "GraphHash, arXiv 2412.17245, with nearest neighbours among trained rows for the graph")

    /// Shared rows; nil takes as many as the budget allows.
    public var rows: Int?
    /// Of the shared rows' numbers.
    public var bits: Int
    public var groupSize: Int
    /// Of k-means.
    public var rounds: Int

    public init(rows: Int? = nil, bits: Int = 4, groupSize: Int = 64, rounds: Int = 4) {
        self.rows = rows
        self.bits = bits
        self.groupSize = groupSize
        self.rounds = rounds
    }

    /// What a matrix of this form costs.
    public static func cost(shape: MatrixShape, rows: Int, bits: Int, groupSize: Int) -> Cost {
        Quantized.cost(shape: MatrixShape(rows: rows, columns: shape.columns), bits: bits, groupSize: groupSize)
            + Cost(parameters: 0, storedBytes: SharedRows.storedBytes(rows: shape.rows, table: rows), multiplyAdds: 0)
    }

    /// Points to learn from, for each shared row: there are many of those.
    private static let sample = 6

    /// About (6 `rounds` `rows` + rows of W) `rows` columns multiply-adds, and as many steps of k-means++.
    /// - Throws: `FittingError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<SharedRows> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        try Self.checkIntegers(bits: bits, groupSize: groupSize)
        let most = min(shape.rows, ProductQuantized.mostCentroids)
        if let rows, !(1...most).contains(rows) { throw Self.invalid("rows", "1 to \(most)", rows) }
        let count = try size.largest(
            in: rows.map { $0...$0 } ?? 1...most, family: SharedRows.family, shape: shape, matrix: context.name
        ) { Self.cost(shape: shape, rows: $0, bits: bits, groupSize: groupSize) }
        let means = WeightedKMeans(count: count, rounds: rounds, sample: Self.sample)
        var generator = context.generator(for: Self.method.name)
        let (shared, nearest) = weight.withView { view in
            let shared = means.centroids(
                of: view, weights: objective.relativeRowWeights(rows: shape.rows), using: &generator)
            return (shared, means.nearest(view, shared))
        }
        try context.checkCancellation()
        let table = try ScaleSearchFitter<Quantized>(bits: bits, groupSize: groupSize).fit(
            shared, objective: objective.ofColumns, size: .storedBytes(.max), context: context
        ).matrix
        return try Fit(
            measuring: SharedRows(table, rows: nearest.map(Int.init)), for: weight, objective: objective, context: context)
    }
}
