import LinearAlgebra
import StructuredMatrices
import Tensors

/// Product quantization: in each of S runs of columns, every row takes the nearest of K centroids found by k-means with the
/// rows' weights. Of the inputs' moments only the diagonal counts.
public struct ProductQuantizationFitter: Fitter {
    public static let method = FittingMethod(
        name: "product-quantization", family: ProductQuantized.family, objectives: [.frobenius, .fisher],
        summary: "runs of rows by the nearest of a few centroids, found by weighted k-means",
        source: "Jegou, Douze, Schmid 2011; JPQ, arXiv 2108.00644")

    /// S; nil takes as many as the budget allows.
    public var subspaces: Int?
    /// K is two to this power, but never more than there are rows; nil takes 8 where the centroids leave at least half of the
    /// budget to the codes, else fewer.
    public var bits: Int?
    /// Of k-means.
    public var rounds: Int

    public init(subspaces: Int? = nil, bits: Int? = nil, rounds: Int = 10) {
        self.subspaces = subspaces
        self.bits = bits
        self.rounds = rounds
    }

    /// Centroids of a matrix of so many rows.
    public static func centroids(bits: Int, rows: Int) -> Int { min(1 << bits, max(1, rows)) }

    /// What a matrix of this form costs.
    public static func cost(shape: MatrixShape, subspaces: Int, bits: Int, precision: Precision) -> Cost {
        ProductQuantized.cost(
            shape: shape, subspaces: subspaces, centroids: centroids(bits: bits, rows: shape.rows), precision: precision)
    }

    /// Some `rounds` times min(rows, 64 K) K columns multiply-adds, sub-spaces shared among `context.execution`'s threads.
    /// Exact where a sub-space has no more distinct pieces than centroids, and no more rows than 64 K.
    /// - Throws: `FittingError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<ProductQuantized> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let (subspaces, bits) = try sizes(shape, size, context)
        let quantizer = SubspaceQuantizer(
            starts: SubspaceQuantizer.even(subspaces, columns: shape.columns),
            count: Self.centroids(bits: bits, rows: shape.rows), rounds: rounds)
        // Distances count columns by their inputs' mean squares.
        let squares = objective.gram?.diagonal ?? []
        let largest = squares.max() ?? 0
        let scales = largest > 0 ? squares.map { Float(max($0 / largest, 1e-12).squareRoot()) } : nil
        var rows = weight
        rows.scaleColumns(by: scales)
        let weights = objective.relativeRowWeights(rows: shape.rows)
        var (codes, centroids) = try quantizer.quantize(
            rows, weights: weights, purpose: Self.method.name, context: context)
        centroids.scaleColumns(by: scales.map { $0.map { 1 / $0 } })
        let matrix = try ProductQuantized(
            codes: codes, starts: quantizer.starts, centroids: Factor(centroids, precision: context.precision),
            rows: shape.rows)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    private func sizes(_ shape: MatrixShape, _ size: SizeBudget, _ context: FitContext) throws -> (Int, Int) {
        if let bits, !(1...16).contains(bits) { throw Self.invalid("bits", "1 to 16", bits) }
        if let subspaces, !(1...shape.columns).contains(subspaces) {
            throw Self.invalid("subspaces", "1 to the \(shape.columns) columns of a \(shape) matrix", subspaces)
        }
        func cost(_ subspaces: Int, _ bits: Int) -> Cost {
            Self.cost(shape: shape, subspaces: subspaces, bits: bits, precision: context.precision)
        }
        let range = subspaces.map { $0...$0 } ?? 1...shape.columns
        if let bits {
            return (
                try size.largest(in: range, family: ProductQuantized.family, shape: shape, matrix: context.name) {
                    cost($0, bits)
                }, bits
            )
        }
        for bits in stride(from: 8, to: 1, by: -1) {
            let numbers = Self.centroids(bits: bits, rows: shape.rows) * shape.columns
            // Twice the centroids, as a matrix of which they are half.
            let doubled = Cost(
                parameters: numbers, storedBytes: 2 * numbers * context.precision.elementType.byteCount,
                multiplyAdds: 2 * numbers)
            guard size.allows(doubled, shape: shape), size.allows(cost(range.lowerBound, bits), shape: shape) else { continue }
            return (
                try size.largest(in: range, family: ProductQuantized.family, shape: shape, matrix: context.name) {
                    cost($0, bits)
                }, bits
            )
        }
        return (
            try size.largest(in: range, family: ProductQuantized.family, shape: shape, matrix: context.name) { cost($0, 1) }, 1
        )
    }
}

extension DenseMatrix {
    /// Column j times factor j; nothing for nil.
    mutating func scaleColumns(by factors: [Scalar]?) {
        guard let factors else { return }
        elements.withUnsafeMutableBufferPointer { elements in
            for row in 0..<rows {
                for column in 0..<columns { elements[row * columns + column] *= factors[column] }
            }
        }
    }
}
