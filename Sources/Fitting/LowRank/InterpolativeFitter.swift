import LinearAlgebra
import StructuredMatrices
import Tensors

/// The best low-rank matrix under the objective, as columns of itself: r^2 numbers fewer than its two factors have, so
/// that the same budget buys a higher rank (112 instead of 96 at half of 384 x 384). Columns are chosen by a QR
/// factorisation with pivoting, which keeps the entries of V small.
public struct InterpolativeFitter: Fitter {
    public static let method = FittingMethod(
        name: "interpolative-svd", family: Interpolative.family, objectives: Objective.Kind.allCases,
        summary: "the whitened singular value decomposition, written with r of its own columns",
        source: "Cheng, Gimbutas, Martinsson and Rokhlin 2005; SVD-LLM, arXiv 2403.07378")

    public init() {}

    /// Cost: one `Double` SVD of W L and r^2 columns multiply-adds.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Interpolative> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let rank = try size.largest(
            in: 1...min(shape.rows, shape.columns), family: Interpolative.family, shape: shape, matrix: context.name
        ) { Interpolative.cost(shape: shape, rank: $0, precision: context.precision) }
        let factorisation = try LowRankFactorisation(weight, objective: objective, context: context)
        let matrix = Self.interpolative(factorisation.balancedFactors(rank: rank), precision: context.precision)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    /// U V (rows x r, r x columns) with r of its columns taken as they are.
    static func interpolative(_ factors: (u: DoubleMatrix, v: DoubleMatrix), precision: Precision) -> Interpolative {
        let (rank, columns) = (factors.v.rows, factors.v.columns)
        let pivoted = PivotedColumns(factors.v)
        let chosen = DoubleMatrix(rows: rank, columns: rank) { factors.v[$0, pivoted.order[$1]] }
        let u = factors.u.multiplied(by: chosen)
        let v = pivoted.coefficients()
        return Interpolative(
            u: Factor(u.converted(to: Float.self), precision: precision),
            v: Factor(v.elements.map { Float($0) }, shape: [rank, columns - rank], precision: precision),
            columnOrder: Permutation(pivoted.order) ?? .identity(columns))
    }
}

/// V = Q R with the columns in an order in which each is the longest of those left (Businger and Golub 1965), by
/// Gram-Schmidt steps on V itself.
struct PivotedColumns {
    /// The chosen columns in turn, then the others as they were.
    let order: [Int]
    /// r x columns, in the columns' own places.
    private let r: DoubleMatrix
    /// Columns that were independent of those before them.
    private let rank: Int

    init(_ matrix: DoubleMatrix) {
        let (rows, columns) = (matrix.rows, matrix.columns)
        var residual = matrix
        var r = DoubleMatrix(rows: rows, columns: columns)
        var chosen: [Int] = []
        var isChosen = [Bool](repeating: false, count: columns)
        var norms = [Double](repeating: 0, count: columns)
        var direction = [Double](repeating: 0, count: rows)
        var largest = 0.0
        for step in 0..<rows {
            for column in 0..<columns { norms[column] = 0 }
            residual.withView { residual in
                for row in 0..<rows {
                    let source = residual.row(row)
                    for column in 0..<columns { norms[column] += source[column] * source[column] }
                }
            }
            var pivot = -1
            for column in 0..<columns where !isChosen[column] && (pivot < 0 || norms[column] > norms[pivot]) {
                pivot = column
            }
            largest = max(largest, norms[pivot])
            // Rounding is all that is left: 1e-12 in length.
            guard norms[pivot] > 1e-24 * largest else { break }
            let length = norms[pivot].squareRoot()
            for row in 0..<rows { direction[row] = residual[row, pivot] / length }
            isChosen[pivot] = true
            chosen.append(pivot)
            r.withMutableView { r in
                residual.withMutableView { residual in
                    let projection = r.row(step)
                    for row in 0..<rows {
                        let source = residual.row(row)
                        for column in 0..<columns { projection[column] += direction[row] * source[column] }
                    }
                    for row in 0..<rows {
                        let target = residual.row(row)
                        for column in 0..<columns { target[column] -= direction[row] * projection[column] }
                    }
                }
            }
        }
        rank = chosen.count
        order = chosen + (0..<columns).filter { !isChosen[$0] }
        self.r = r
    }

    /// How the columns from place r on are made of the first r: R_11^-1 R_12, zero rows for dependent columns.
    func coefficients() -> DoubleMatrix {
        let (rows, others) = (r.rows, r.columns - r.rows)
        var result = DoubleMatrix(rows: rows, columns: others)
        for step in stride(from: rank - 1, through: 0, by: -1) {
            for place in 0..<others { result[step, place] = r[step, order[rows + place]] }
            for later in step + 1..<max(rank, step + 1) {
                let factor = r[step, order[later]]
                for place in 0..<others { result[step, place] -= factor * result[later, place] }
            }
            let pivot = r[step, order[step]]
            for place in 0..<others { result[step, place] /= pivot }
        }
        return result
    }
}
