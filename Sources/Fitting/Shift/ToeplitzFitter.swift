import LinearAlgebra
import StructuredMatrices
import Tensors

/// The best Toeplitz matrix under any objective: the means of the diagonals under Frobenius, under activations linear least
/// squares in the rows + columns - 1 diagonals.
public struct ToeplitzFitter: Fitter {
    public static let method = FittingMethod(
        name: "toeplitz-projection", family: Toeplitz.family, objectives: Objective.Kind.allCases,
        summary: "means of diagonals, or least squares in them", source: "textbook")

    public init() {}

    /// Cost: under activations rows columns^2 + (rows + columns)^3 / 3 multiply-adds. Memory: (rows + columns)^2 doubles.
    /// - Throws: `FittingError` (`.budgetBelowMinimum` where the diagonals do not fit), `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Toeplitz> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let cost = Toeplitz.cost(shape: shape, precision: context.precision)
        guard size.allows(cost, shape: shape) else {
            throw FittingError.budgetBelowMinimum(
                matrix: context.name, family: Toeplitz.family.name, shape: shape, budget: size, minimum: cost)
        }
        let values = try diagonals(weight.converted(to: Double.self), objective)
        let matrix = Toeplitz(
            diagonals: Factor(values.map { Float($0) }, shape: [values.count], precision: context.precision),
            shape: shape)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }

    /// Row i sees diagonals i ..< i + columns, the last of them at column 0.
    private func diagonals(_ weight: DoubleMatrix, _ objective: Objective) throws -> [Double] {
        let (rows, columns) = (weight.rows, weight.columns)
        let count = rows + columns - 1
        let rowWeights = objective.rowWeights
        let weighted = objective.gram.map { weight.multiplied(by: $0.matrix) } ?? weight
        var target = DoubleMatrix(rows: count, columns: 1)
        for row in 0..<rows {
            let share = rowWeights?[row] ?? 1
            for place in 0..<columns {
                target.elements[row + place] += share * weighted[row, columns - 1 - place]
            }
        }
        guard let gram = objective.gram else {
            var totals = [Double](repeating: 0, count: count)
            for row in 0..<rows {
                for place in 0..<columns { totals[row + place] += rowWeights?[row] ?? 1 }
            }
            return zip(target.elements, totals).map { $1 > 0 ? $0 / $1 : 0 }
        }
        let moments = gram.matrix
        let backwards = DoubleMatrix(rows: columns, columns: columns) {
            moments[columns - 1 - $0, columns - 1 - $1]
        }
        var normal = DoubleMatrix(rows: count, columns: count)
        normal.withMutableView { normal in
            backwards.withView { backwards in
                for row in 0..<rows {
                    let share = rowWeights?[row] ?? 1
                    for place in 0..<columns {
                        let (source, target) = (backwards.row(place), normal.row(row + place) + row)
                        for other in 0..<columns { target[other] += share * source[other] }
                    }
                }
            }
        }
        return try solvePositive(normal, target, relativeRidge: 1e-12).elements
    }
}
