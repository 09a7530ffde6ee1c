import LinearAlgebra
import StructuredMatrices
import Tensors

/// The best low-rank matrix under the objective, factorised as P L D U Q by elimination with complete pivoting: r^2
/// numbers fewer than its two factors have. With a budget for full rank it is the factorisation of the weight itself.
public struct LDUFitter: Fitter {
    public static let method = FittingMethod(
        name: "ldu-svd", family: LDU.family, objectives: Objective.Kind.allCases,
        summary: "the whitened singular value decomposition, factorised by elimination with complete pivoting",
        source: "LoLDU, arXiv 2410.13618; SVD-LLM, arXiv 2403.07378")

    public init() {}

    /// Cost: one `Double` SVD of W L and r rows columns multiply-adds.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<LDU> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let full = min(shape.rows, shape.columns)
        let rank = try size.largest(in: 1...full, family: LDU.family, shape: shape, matrix: context.name) {
            LDU.cost(shape: shape, rank: $0, precision: context.precision)
        }
        let target: DoubleMatrix
        if rank == full {
            target = weight.converted(to: Double.self)
        } else {
            let (u, v) = try LowRankFactorisation(weight, objective: objective, context: context)
                .balancedFactors(rank: rank)
            target = u.multiplied(by: v)
        }
        try context.checkCancellation()
        let matrix = Self.eliminated(target, rank: rank, precision: context.precision)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    /// `rank` steps of elimination, each at the largest entry left. A matrix of lower rank leaves zeros in D.
    static func eliminated(_ matrix: DoubleMatrix, rank: Int, precision: Precision) -> LDU {
        let (rows, columns) = (matrix.rows, matrix.columns)
        var rest = matrix
        var lower = DoubleMatrix(rows: rows, columns: rank)
        // Transposed: row j is column j of U.
        var upper = DoubleMatrix(rows: columns, columns: rank)
        var diagonal = [Double](repeating: 0, count: rank)
        var (rowIsFree, columnIsFree) = (
            [Bool](repeating: true, count: rows), [Bool](repeating: true, count: columns)
        )
        var (rowOrder, columnOrder) = ([Int](), [Int]())
        for step in 0..<rank {
            var (pivotRow, pivotColumn, pivot) = (-1, -1, 0.0)
            rest.withView { rest in
                for row in 0..<rows where rowIsFree[row] {
                    let source = rest.row(row)
                    for column in 0..<columns where columnIsFree[column] && abs(source[column]) > abs(pivot) {
                        (pivotRow, pivotColumn, pivot) = (row, column, source[column])
                    }
                }
            }
            guard pivot != 0 else { break }
            (rowIsFree[pivotRow], columnIsFree[pivotColumn]) = (false, false)
            rowOrder.append(pivotRow)
            columnOrder.append(pivotColumn)
            diagonal[step] = pivot
            for row in 0..<rows where rowIsFree[row] { lower[row, step] = rest[row, pivotColumn] / pivot }
            for column in 0..<columns where columnIsFree[column] {
                upper[column, step] = rest[pivotRow, column] / pivot
            }
            rest.withMutableView { rest in
                let source = rest.row(pivotRow)
                for row in 0..<rows where rowIsFree[row] {
                    let (factor, target) = (lower[row, step], rest.row(row))
                    for column in 0..<columns { target[column] -= factor * source[column] }
                    target[pivotColumn] = 0
                }
            }
        }
        rowOrder += (0..<rows).filter { rowIsFree[$0] }
        columnOrder += (0..<columns).filter { columnIsFree[$0] }
        func entries(_ trapezoid: DoubleMatrix, _ order: [Int]) -> Factor {
            var values: [Float] = []
            for (place, index) in order.enumerated() {
                for column in 0..<min(place, rank) { values.append(Float(trapezoid[index, column])) }
            }
            return Factor(values, shape: [values.count], precision: precision)
        }
        return LDU(
            lower: entries(lower, rowOrder),
            diagonal: Factor(diagonal.map { Float($0) }, shape: [rank], precision: precision),
            upper: entries(upper, columnOrder),
            rowOrder: Permutation(rowOrder) ?? .identity(rows),
            columnOrder: Permutation(columnOrder) ?? .identity(columns))
    }
}
