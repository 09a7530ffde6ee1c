import LinearAlgebra
import StructuredMatrices
import Tensors

/// Rounds or drops columns one after another and moves each column's error into the columns still to come, as
/// far as the inputs' correlations allow: GPTQ (arXiv 2210.17323), SparseGPT (arXiv 2301.00774).
///
/// With U upper triangular and (G + damping)^-1 = U^T U, the loss is the sum of ((w_j - s q_j) / U_jj)^2 over
/// columns, w_j being the column as compensated when its turn comes; 1 / U_jj^2 therefore weights the search
/// for scales.
struct ErrorCompensation: Sendable {
    /// Columns in the order of the sweep.
    let order: [Int]
    /// U, in the order of the sweep.
    let inverseRoot: Matrix
    /// 1 / U_jj^2 of every column, but for a common factor.
    let importance: [Float]
    let isIdentityOrder: Bool

    /// - Parameters:
    ///   - relativeDamping: added to the diagonal, times its mean, on top of the Gram matrix's own.
    ///   - sorted: round the columns with the largest inputs first, their scales fixed beforehand.
    /// Nil when G is zero, or too nearly singular to invert. About columns^3 multiply-adds.
    init?(_ gram: Gram, relativeDamping: Double, sorted: Bool) throws {
        let size = gram.size
        let diagonal = gram.diagonal
        let order =
            sorted
            ? (0..<size).sorted { (diagonal[$0], $1) > (diagonal[$1], $0) } : Array(0..<size)
        // Only the proportions of G matter: by a power of 4, whose root is exact, U is kept within the range of `Float`.
        let mean = diagonal.reduce(0, +) / Double(max(1, size))
        guard mean > 0, mean.isFinite else { return nil }
        let scale = Double(sign: .plus, exponent: -2 * (Int(mean.exponent) / 2), significand: 1)
        let damping = relativeDamping * mean
        // Backwards in both indices: the lower Cholesky factor L of the reversed matrix has L^-1, turned
        // around, as the upper factor of the inverse.
        let reversed = DoubleMatrix(rows: size, columns: size) { row, column in
            (gram.matrix[order[size - 1 - row], order[size - 1 - column]] + (row == column ? damping : 0)) * scale
        }
        let root = try SymmetricRoot(reversed, relativeFloor: 1e-13)
        guard root.method == .cholesky else { return nil }
        let inverse = root.solveRight(.identity(size))
        self.order = order
        isIdentityOrder = !sorted
        inverseRoot = Matrix(rows: size, columns: size) { row, column in
            Float(inverse[size - 1 - row, size - 1 - column])
        }
        var importance = [Float](repeating: 0, count: size)
        for (position, column) in order.enumerated() {
            importance[column] = 1 / (inverseRoot[position, position] * inverseRoot[position, position])
        }
        self.importance = importance
    }

    /// Rows rounded with compensation; rows do not depend on each other. About rows columns^2 multiply-adds.
    func round(_ rows: MatrixView, groupSize: Int, quantizer: GroupQuantizer) -> QuantizedRows {
        let (count, size) = (rows.rows, rows.columns)
        let groups = (size + groupSize - 1) / groupSize
        var search = PaddedGroup(groupSize: min(groupSize, size))
        var result = QuantizedRows(
            codes: [Int8](repeating: 0, count: count * size),
            scales: [Float](repeating: 0, count: count * groups))
        if !isIdentityOrder {
            for row in 0..<count {
                for group in 0..<groups {
                    let columns = group * groupSize..<min(size, (group + 1) * groupSize)
                    result.scales[row * groups + group] = search.scale(
                        quantizer, rows.row(row), importance, columns)
                }
            }
        }
        var rule = RoundingRule(
            compensation: self, quantizer: quantizer, groupSize: groupSize, groups: groups, search: search,
            result: result)
        var current = Matrix(rows: count, columns: size) { rows.row($0)[order[$1]] }
        current.withMutableView { sweep($0, rule: &rule) }
        return rule.result
    }
}

/// Rounds to a group's scale, which is chosen when its first column comes where the order allows that.
private struct RoundingRule: ColumnRule {
    let compensation: ErrorCompensation
    let quantizer: GroupQuantizer
    let groupSize: Int
    let groups: Int
    var search: PaddedGroup
    var result: QuantizedRows

    var chunk: Int { groupSize }
    var tile: Int { 1 }

    mutating func begin(rows: Range<Int>, positions: Range<Int>, weights: MutableMatrixView) {
        guard compensation.isIdentityOrder else { return }
        for row in rows {
            result.scales[row * groups + positions.lowerBound / groupSize] = search.scale(
                quantizer, weights.row(row), compensation.importance, positions)
        }
    }

    mutating func settle(row: Int, position: Int, weight: Float) -> Float {
        let column = compensation.order[position]
        let scale = result.scales[row * groups + column / groupSize]
        let code = quantizer.code(weight, scale: scale)
        result.codes[row * compensation.order.count + column] = Int8(code)
        return scale * code
    }
}
