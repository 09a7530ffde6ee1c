import LinearAlgebra
import StructuredMatrices
import Tensors

/// Rounds columns one after another and moves each column's rounding error into the columns still to come, as
/// far as the inputs' correlations allow: GPTQ (arXiv 2210.17323), in blocks of columns.
///
/// With U upper triangular and (G + damping)^-1 = U^T U, the loss is the sum of ((w_j - s q_j) / U_jj)^2 over
/// columns, w_j being the column as compensated when its turn comes; 1 / U_jj^2 therefore weights the search
/// for scales.
struct ErrorCompensation: Sendable {
    /// Columns in the order they are rounded.
    let order: [Int]
    /// U, in rounding order.
    private let inverseRoot: Matrix
    private let importance: [Float]
    private let isIdentityOrder: Bool

    /// - Parameters:
    ///   - relativeDamping: added to the diagonal, times its mean, on top of the Gram matrix's own.
    ///   - sorted: round the columns with the largest inputs first, their scales fixed beforehand.
    /// Nil when G is zero. About columns^3 multiply-adds.
    init?(_ gram: Gram, relativeDamping: Double, sorted: Bool) throws {
        let size = gram.size
        let diagonal = gram.diagonal
        let order =
            sorted
            ? (0..<size).sorted { (diagonal[$0], $1) > (diagonal[$1], $0) } : Array(0..<size)
        let damping = relativeDamping * diagonal.reduce(0, +) / Double(size)
        // Backwards in both indices: the lower Cholesky factor L of the reversed matrix has L^-1, turned
        // around, as the upper factor of the inverse.
        let reversed = DoubleMatrix(rows: size, columns: size) { row, column in
            gram.matrix[order[size - 1 - row], order[size - 1 - column]] + (row == column ? damping : 0)
        }
        let root = try SymmetricRoot(reversed, relativeFloor: 1e-13)
        guard root.method == .cholesky, diagonal.contains(where: { $0 > 0 }) else { return nil }
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
        var current = Matrix(rows: count, columns: size) { rows.row($0)[order[$1]] }
        // A block is whole groups, so that a group's columns are fully compensated when its scale is chosen.
        let blockSize = max(1, 128 / groupSize) * groupSize
        current.withMutableView { current in
            inverseRoot.withView { u in
                for start in stride(from: 0, to: size, by: blockSize) {
                    let block = start..<min(size, start + blockSize)
                    var errors = Matrix(rows: count, columns: block.count)
                    for row in 0..<count {
                        let weights = current.row(row)
                        for position in block {
                            let group = row * groups + order[position] / groupSize
                            if isIdentityOrder, position % groupSize == 0 {
                                let columns = position..<min(size, position + groupSize)
                                result.scales[group] = search.scale(quantizer, weights, importance, columns)
                            }
                            let scale = result.scales[group]
                            let code = quantizer.code(weights[position], scale: scale)
                            result.codes[row * size + order[position]] = Int8(code)
                            let factors = u.row(position)
                            let error = (weights[position] - scale * code) / factors[position]
                            errors[row, position - start] = error
                            for later in position + 1..<max(block.upperBound, position + 1) {
                                weights[later] -= error * factors[later]
                            }
                        }
                    }
                    let rest = block.upperBound..<size
                    errors.withView {
                        multiply(
                            $0, u.block(rows: block, columns: rest), alpha: -1, beta: 1,
                            into: current.columns(rest))
                    }
                }
            }
        }
        return result
    }
}
