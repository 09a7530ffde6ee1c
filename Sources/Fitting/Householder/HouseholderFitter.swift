import LinearAlgebra
import StructuredMatrices
import Tensors

/// Products of reflections around a diagonal. Two starts: the (whitened) SVD of rank r with its bases as r reflections on
/// either side and the rest of the diagonal by least squares, which is never worse than low-rank of the same r; and for square
/// weights one product times a diagonal, W ~ H_1 ... H_k D, taken from the polar factor of W with its columns normalised. The
/// better is kept. An orthogonal matrix times a diagonal is recovered with as many reflections as it has rows, or fewer where
/// it is a product of few.
public struct HouseholderFitter: Fitter {
    public static let method = FittingMethod(
        name: "householder-qr", family: HouseholderProduct.family, objectives: Objective.Kind.allCases,
        summary: "reflections of the singular bases, or of the polar factor",
        source: "Householder Projector, arXiv 2307.08012; the fit is this project's")

    /// Reflections on either side; nil takes what the budget allows, on one side alone where that is better.
    public var count: Int?

    public init(count: Int? = nil) { self.count = count }

    /// Work that the greedy choice of reflections may cost, in multiply-adds.
    private static let greedyWork = 4e9

    /// Cost: an SVD, two of them for square weights, and (rows + columns) r^2 multiply-adds; for a few reflections of a square
    /// weight 4 rows^3 for each.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<HouseholderProduct> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        func cost(_ left: Int, _ right: Int) -> Cost {
            HouseholderProduct.cost(shape: shape, leftCount: left, rightCount: right, precision: context.precision)
        }
        let (smaller, none) = (min(shape.rows, shape.columns), DoubleMatrix(rows: 0, columns: shape.columns))
        if let count, !(0...smaller).contains(count) {
            throw Self.invalid("count", "0 to \(smaller)", count)
        }
        let both = try size.largest(
            in: (count ?? 0)...(count ?? smaller), family: HouseholderProduct.family, shape: shape, matrix: context.name
        ) { cost($0, $0) }
        let problem = try DiagonalProblem(weight, objective)

        var left = DoubleMatrix(rows: 0, columns: shape.rows)
        var right = none
        if both > 0 {
            let (u, v) = try LowRankFactorisation(weight, objective: objective, context: context)
                .balancedFactors(rank: both)
            let svd = try SingularValues(u.multiplied(by: v)).truncated(to: both)
            (left, right) = (Self.reflections(of: svd.u), Self.reflections(of: svd.vt.transposed()))
        }
        var best = try problem.fit(left, right, context: context)
        if shape.rows == shape.columns, count == nil {
            let single = try size.largest(
                in: 0...shape.rows, family: HouseholderProduct.family, shape: shape, matrix: context.name
            ) { cost($0, 0) }
            let polar = try Self.polar(weight.converted(to: Double.self))
            var starts: [DoubleMatrix] = []
            if single >= shape.rows { starts.append(Self.reflections(of: polar)) }
            let cube = Double(shape.rows * shape.rows * shape.rows)
            if single > 0, 4 * cube * Double(min(single, shape.rows)) <= Self.greedyWork {
                starts.append(try Self.greedy(polar, count: min(single, shape.rows), context: context))
            }
            for start in starts {
                let fit = try problem.fit(start, none, context: context)
                if fit.relativeError < best.relativeError { best = fit }
            }
        }
        return best
    }

    /// The orthogonal factor of W with its columns brought to length 1: H of H D, since D only scales columns.
    private static func polar(_ weight: DoubleMatrix) throws -> DoubleMatrix {
        var scaled = weight
        for column in 0..<weight.columns {
            var length = 0.0
            for row in 0..<weight.rows { length += weight[row, column] * weight[row, column] }
            guard length > 0 else { continue }
            for row in 0..<weight.rows { scaled[row, column] /= length.squareRoot() }
        }
        let svd = try SingularValues(scaled)
        return svd.u.multiplied(by: svd.vt)
    }

    /// Vectors v_1 ... v_k (as rows) whose reflections H_1 ... H_k have the given orthonormal columns as their own first k, but
    /// for signs: Householder's QR factorisation. A column that is in place already gets a zero vector.
    static func reflections(of basis: DoubleMatrix) -> DoubleMatrix {
        let (rows, count) = (basis.rows, basis.columns)
        // Row k is column k of what is left to reduce.
        var rest = basis.transposed()
        var vectors = DoubleMatrix(rows: count, columns: rows)
        for step in 0..<count {
            var length = 0.0
            for place in step..<rows { length += rest[step, place] * rest[step, place] }
            length = length.squareRoot()
            let head = rest[step, step]
            var tail = 0.0
            for place in step + 1..<max(rows, step + 1) { tail += abs(rest[step, place]) }
            guard length > 0, tail > 0 else { continue }
            for place in step..<rows { vectors[step, place] = rest[step, place] }
            // Away from the unit vector, so that nothing cancels.
            vectors[step, step] = head + (head < 0 ? -length : length)
            reflect(&rest, by: vectors.row(step), rows: step..<count)
        }
        return vectors
    }

    /// Reflections one after another, each the one that raises the trace of the rest most: along the eigenvector of the
    /// smallest eigenvalue of its symmetric part. A product of k reflections is reduced to the identity in k steps.
    static func greedy(_ orthogonal: DoubleMatrix, count: Int, context: FitContext) throws -> DoubleMatrix {
        let size = orthogonal.rows
        var rest = orthogonal.transposed()
        var vectors = DoubleMatrix(rows: count, columns: size)
        for step in 0..<count {
            try context.checkCancellation()
            let symmetric = DoubleMatrix(rows: size, columns: size) { (rest[$0, $1] + rest[$1, $0]) / 2 }
            let eigen = try SymmetricEigen(symmetric)
            guard let smallest = eigen.values.first, smallest < 1 - 1e-12 else { break }
            for place in 0..<size { vectors[step, place] = eigen.vectors[0, place] }
            // Rows are columns of Q: H Q.
            reflect(&rest, by: vectors.row(step), rows: 0..<size)
        }
        return vectors
    }

    /// The given rows times I - 2 v v^T / v^T v.
    private static func reflect(_ matrix: inout DoubleMatrix, by vector: ArraySlice<Double>, rows: Range<Int>) {
        let v = Array(vector)
        let square = v.reduce(0) { $0 + $1 * $1 }
        guard square > 0 else { return }
        matrix.withMutableView { matrix in
            for row in rows {
                let target = matrix.row(row)
                var product = 0.0
                for place in v.indices { product += v[place] * target[place] }
                let factor = 2 * product / square
                for place in v.indices { target[place] -= factor * v[place] }
            }
        }
    }

    /// The best diagonal between two given products: linear least squares in min(rows, columns) unknowns.
    private struct DiagonalProblem {
        let weight: Matrix
        let objective: Objective
        private let wide: DoubleMatrix

        init(_ weight: Matrix, _ objective: Objective) throws {
            (self.weight, self.objective) = (weight, objective)
            wide = weight.converted(to: Double.self)
        }

        func fit(_ left: DoubleMatrix, _ right: DoubleMatrix, context: FitContext) throws -> Fit<HouseholderProduct> {
            let count = min(weight.rows, weight.columns)
            // Rows are the first columns of L and of R.
            let (bases, inputs) = (Self.columns(left, count, of: wide.rows), Self.columns(right, count, of: wide.columns))
            var weightedBases = bases.transposed()
            weightedBases.scaleRows(by: objective.rowWeights)
            let weighted = objective.gram.map { wide.multiplied(by: $0.matrix) } ?? wide
            let product = weightedBases.multiplied(by: weighted, transposeSelf: true)
            var target = DoubleMatrix(rows: count, columns: 1)
            for index in 0..<count {
                target.elements[index] = zip(product.row(index), inputs.row(index)).reduce(0) { $0 + $1.0 * $1.1 }
            }
            var diagonal = target.elements
            if objective.gram != nil || objective.rowWeights != nil {
                let outputs = bases.multiplied(by: weightedBases)
                let moments = (objective.gram.map { inputs.multiplied(by: $0.matrix) } ?? inputs)
                    .multiplied(by: inputs, transposeOther: true)
                let normal = DoubleMatrix(rows: count, columns: count) { outputs[$0, $1] * moments[$0, $1] }
                diagonal = try solvePositive(normal, target, relativeRidge: 1e-12).elements
            }
            func factor(_ matrix: DoubleMatrix) -> Factor {
                Factor(
                    matrix.elements.map { Float($0) }, shape: [matrix.rows, matrix.columns], precision: context.precision)
            }
            let matrix = HouseholderProduct(
                left: factor(left),
                diagonal: Factor(diagonal.map { Float($0) }, shape: [count], precision: context.precision),
                right: factor(right))
            return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
        }

        /// The first `count` columns of H_1 ... H_k, as rows.
        private static func columns(_ vectors: DoubleMatrix, _ count: Int, of size: Int) -> DoubleMatrix {
            var result = DoubleMatrix(rows: count, columns: size) { $0 == $1 ? 1 : 0 }
            for step in stride(from: vectors.rows - 1, through: 0, by: -1) {
                HouseholderFitter.reflect(&result, by: vectors.row(step), rows: 0..<count)
            }
            return result
        }
    }
}
