import LinearAlgebra
import StructuredMatrices
import Tensors

/// The integers that fix a sum of Kronecker products.
struct KroneckerGrid: Sendable {
    /// m1 x n1.
    let outer: MatrixShape
    /// m2 x n2.
    let inner: MatrixShape
    /// R.
    let terms: Int

    /// Columns times rows.
    var isLowRank: Bool { outer.columns == 1 && inner.rows == 1 }

    /// Whether the normal equations of a sweep are small enough to be formed and solved.
    var isSolvable: Bool { terms * max(outer.columns, inner.columns) <= 2048 }

    /// The best sum under Frobenius, each term's norm split evenly.
    /// - Throws: `LinearAlgebraError`.
    func projection(_ weight: DoubleMatrix) throws -> KroneckerFactors {
        let cells = KroneckerSum.rearranged(weight, outer: outer, inner: inner)
        let svd = try SingularValues(cells).truncated(to: terms)
        var factors = KroneckerFactors(outer: svd.u, inner: svd.vt)
        for term in 0..<svd.values.count {
            let scale = svd.values[term].squareRoot()
            for row in 0..<factors.outer.rows { factors.outer[row, term] *= scale }
            for column in 0..<factors.inner.columns { factors.inner[term, column] *= scale }
        }
        return factors
    }

    func assembled(_ factors: KroneckerFactors) -> DoubleMatrix {
        KroneckerSum.assembled(factors.outer.multiplied(by: factors.inner), outer: outer, inner: inner)
    }

    func matrix(_ factors: KroneckerFactors, precision: Precision) -> KroneckerSum {
        func factor(_ matrix: DoubleMatrix, _ shape: [Int]) -> Factor {
            Factor(matrix.elements.map { Float($0) }, shape: shape, precision: precision)
        }
        return KroneckerSum(
            outer: factor(factors.outer, [outer.rows, outer.columns, terms]),
            inner: factor(factors.inner, [terms, inner.rows, inner.columns]))
    }
}

/// The factors of a sum of Kronecker products in `Double`, as factors of the rearranged matrix.
struct KroneckerFactors: Sendable {
    /// (m1 n1) x R.
    var outer: DoubleMatrix
    /// R x (m2 n2).
    var inner: DoubleMatrix

    func extrapolated(from previous: Self, step: Double) -> Self {
        var result = self
        for index in outer.elements.indices {
            result.outer.elements[index] += step * (outer.elements[index] - previous.outer.elements[index])
        }
        for index in inner.elements.indices {
            result.inner.elements[index] += step * (inner.elements[index] - previous.inner.elements[index])
        }
        return result
    }
}

/// Exact block least squares for W ~ sum_t A_t (x) B_t under tr((W - V) G (W - V)^T): all A with B fixed, then all B with A
/// fixed, so the loss never rises.
///
/// With T the rearranged W G: for A the unknowns of every row k of blocks are its n1 R numbers, with the normal matrix N[(i, t),
/// (j, s)] = tr(B_t G_ij B_s^T) and the right-hand sides T B^T; for B those of every row p within blocks are its R n2 numbers,
/// with N[(t, q), (s, r)] = sum over i, j of (A^T A)[(i, t), (j, s)] G[(i, q), (j, r)] and T^T A.
final class KroneckerSweeper {
    private let grid: KroneckerGrid
    private let gram: DoubleMatrix
    /// T, (m1 n1) x (m2 n2).
    private let target: DoubleMatrix
    /// G with row (i, j) its block of inputs i and j: (n1 n1) x (n2 n2).
    private let gramCells: DoubleMatrix
    /// tr(W G W^T).
    let squaredNorm: Double

    init(_ weight: DoubleMatrix, gram: Gram, grid: KroneckerGrid) throws {
        self.grid = grid
        self.gram = gram.matrix
        let weighted = weight.multiplied(by: gram.matrix)
        squaredNorm = max(0, weighted.innerProduct(weight))
        target = KroneckerSum.rearranged(weighted, outer: grid.outer, inner: grid.inner)
        let side = grid.outer.columns
        gramCells = KroneckerSum.rearranged(
            gram.matrix, outer: MatrixShape(rows: side, columns: side),
            inner: MatrixShape(rows: grid.inner.columns, columns: grid.inner.columns))
    }

    /// One sweep; returns the loss after it.
    func sweep(_ factors: inout KroneckerFactors) -> Double {
        updateOuter(&factors)
        return updateInner(&factors)
    }

    private func updateOuter(_ factors: inout KroneckerFactors) {
        let (terms, side, rows, columns) = (grid.terms, grid.outer.columns, grid.inner.rows, grid.inner.columns)
        let stacked = DoubleMatrix(rows: terms * rows, columns: columns, elements: factors.inner.elements)
        var normal = DoubleMatrix(rows: side * terms, columns: side * terms)
        for i in 0..<side {
            for j in 0...i {
                let block = DoubleMatrix(
                    rows: columns, columns: columns, elements: Array(gramCells.row(i * side + j)))
                let weighted = DoubleMatrix(
                    rows: terms, columns: rows * columns, elements: stacked.multiplied(by: block).elements)
                let products = weighted.multiplied(by: factors.inner, transposeOther: true)
                normal.setSymmetricBlock(products, row: i * terms, column: j * terms)
            }
        }
        // (m1 n1) x R is m1 x (n1 R) in the same order.
        let goal = DoubleMatrix(
            rows: grid.outer.rows, columns: side * terms,
            elements: target.multiplied(by: factors.inner, transposeOther: true).elements)
        var solution = DoubleMatrix(rows: grid.outer.rows, columns: side * terms, elements: factors.outer.elements)
        _ = Self.step(&solution, normal, goal)
        factors.outer = DoubleMatrix(rows: grid.outer.count, columns: terms, elements: solution.elements)
    }

    /// Returns the loss after it.
    private func updateInner(_ factors: inout KroneckerFactors) -> Double {
        let (terms, side, rows, columns) = (grid.terms, grid.outer.columns, grid.inner.rows, grid.inner.columns)
        let tall = DoubleMatrix(rows: grid.outer.rows, columns: side * terms, elements: factors.outer.elements)
        let products = tall.gramian()
        // N is symmetric: row (t, s) with s <= t, column (i, j).
        let pairs = (0..<terms).flatMap { term in (0...term).map { (term, $0) } }
        let weights = DoubleMatrix(rows: pairs.count, columns: side * side) { row, column in
            products[column / side * terms + pairs[row].0, column % side * terms + pairs[row].1]
        }
        let cells = weights.multiplied(by: gramCells)
        var normal = DoubleMatrix(rows: terms * columns, columns: terms * columns)
        for (index, (term, other)) in pairs.enumerated() {
            let block = DoubleMatrix(rows: columns, columns: columns, elements: Array(cells.row(index)))
            normal.setSymmetricBlock(block, row: term * columns, column: other * columns)
        }
        // (m2 n2) x R to m2 x (R n2).
        let sums = target.multiplied(by: factors.outer, transposeSelf: true)
        let goal = DoubleMatrix(rows: rows, columns: terms * columns) { row, column in
            sums[row * columns + column % columns, column / columns]
        }
        var solution = DoubleMatrix(rows: rows, columns: terms * columns) { row, column in
            factors.inner[column / columns, row * columns + column % columns]
        }
        let gain = Self.step(&solution, normal, goal)
        for row in 0..<rows {
            for column in 0..<terms * columns {
                factors.inner[column / columns, row * columns + column % columns] = solution[row, column]
            }
        }
        return max(0, squaredNorm - gain)
    }

    /// X += (goal - X N) N^-1; returns <X, 2 goal - X N>, by how much X is better than nothing.
    private static func step(_ x: inout DoubleMatrix, _ normal: DoubleMatrix, _ goal: DoubleMatrix) -> Double {
        let solver = PositiveSolver(size: normal.rows)
        normal.withView { solver.matrix.base.update(from: $0.base, count: normal.count) }
        if solver.factorise() {
            var residual = goal - x.multiplied(by: normal)
            residual.withMutableView { solver.solveRight($0) }
            x = x + residual
        }
        let rest = goal - x.multiplied(by: normal)
        return x.innerProduct(goal) + x.innerProduct(rest)
    }
}
