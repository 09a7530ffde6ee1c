import LinearAlgebra
import Tensors

/// Removes units of inputs one at a time, always the one whose loss, after the exact update of what is left, is least
/// (optimal brain surgeon for structures: ZipLM, arXiv 2302.04089, equations 2 - 4; OBSPA, arXiv 2403.18955).
///
/// With H the covariance of the inputs (ridged) and S a unit's columns, removing S costs
/// tr(W_S (H^-1_SS)^-1 W_S^T); then W -= W_S (H^-1_SS)^-1 H^-1_S, and H^-1 loses S the same way.
public struct StructuredRemoval: Sendable {
    /// Units in the order of their removal.
    public let order: [Int]
    /// E |W x - W' x_kept|^2 (with the best constant) after each removal.
    public let errors: [Double]
    /// E |W x|^2 less the mean's part: the error once everything is removed.
    public let whole: Double

    /// Every removal there is, the last unit too. Cost: about n^2 (n + outputs) / 2 multiply-adds for n inputs.
    /// - Parameter relativeRidge: share of the mean variance added to each.
    /// - Throws: `LinearAlgebraError`.
    public init(_ part: ReducedPart, relativeRidge: Double = 1e-3) throws {
        let (size, units) = (part.unitSize, part.units)
        var covariance = part.moments.covariance
        let count = covariance.rows
        let mean = part.moments.variances.reduce(0, +) / Double(max(1, count))
        let ridge = relativeRidge * (mean > 0 ? mean : 1)
        for index in 0..<count { covariance[index, index] += ridge }
        var inverse = try SymmetricRoot(covariance).solve(.identity(count))
        // Transposed, so that a unit's columns are consecutive in memory.
        var weight = part.weight.transposed()
        var alive = Array(0..<units)
        var order: [Int] = []
        var errors: [Double] = []
        var total = 0.0
        while !alive.isEmpty {
            let (position, loss) = Self.cheapest(weight, inverse, size: size, count: alive.count)
            total += loss
            order.append(alive[position])
            errors.append(total)
            let last = alive.count - 1
            Self.exchange(position, last, size: size, &weight, &inverse)
            alive.swapAt(position, last)
            alive.removeLast()
            Self.removeLast(of: alive.count + 1, size: size, &weight, &inverse)
        }
        self.order = order
        self.errors = errors
        whole = total
    }

    /// The unit to remove and what that costs.
    private static func cheapest(
        _ weight: DoubleMatrix, _ inverse: DoubleMatrix, size: Int, count: Int
    ) -> (position: Int, loss: Double) {
        var best = (position: 0, loss: Double.infinity)
        for position in 0..<count {
            let inputs = position * size..<(position + 1) * size
            let loss: Double
            if size == 1 {
                let squares = weight.row(position).reduce(0) { $0 + $1 * $1 }
                loss = squares / max(inverse[position, position], .leastNormalMagnitude)
            } else {
                let own = weight.block(rows: inputs, columns: 0..<weight.columns)
                let inner = inverse.block(rows: inputs, columns: inputs)
                // Where rounding has made the block indefinite there is nothing left to lose in it.
                loss = (try? solvePositive(inner, own).innerProduct(own)) ?? .infinity
            }
            if loss < best.loss { best = (position, loss) }
        }
        return best
    }

    /// Exchanges two units in both matrices.
    private static func exchange(
        _ one: Int, _ other: Int, size: Int, _ weight: inout DoubleMatrix, _ inverse: inout DoubleMatrix
    ) {
        guard one != other else { return }
        for offset in 0..<size {
            let (first, second) = (one * size + offset, other * size + offset)
            weight.exchangeRows(first, second)
            inverse.exchangeRows(first, second)
            inverse.exchangeColumns(first, second)
        }
    }

    /// Takes the last of `count` units out of the leading parts of both matrices, with the update of the others.
    private static func removeLast(
        of count: Int, size: Int, _ weight: inout DoubleMatrix, _ inverse: inout DoubleMatrix
    ) {
        let left = (count - 1) * size
        let gone = left..<left + size
        guard left > 0 else { return }
        let inner = inverse.block(rows: gone, columns: gone)
        let across = inverse.block(rows: gone, columns: 0..<left)
        let own = weight.block(rows: gone, columns: 0..<weight.columns)
        // (H^-1_SS)^-1 times what S shares with the others.
        let pivot = (try? solvePositive(inner, across)) ?? DoubleMatrix(rows: size, columns: left)
        let outputs = weight.columns
        pivot.withView { pivot in
            weight.withMutableView { target in
                own.withView { own in
                    multiply(
                        pivot, transposeA: true, own, alpha: -1, beta: 1,
                        into: target.block(rows: 0..<left, columns: 0..<outputs))
                }
            }
            inverse.withMutableView { target in
                across.withView { across in
                    multiply(
                        pivot, transposeA: true, across, alpha: -1, beta: 1,
                        into: target.block(rows: 0..<left, columns: 0..<left))
                }
            }
        }
    }

    /// The units that are left when `count` are kept, ascending.
    public func kept(_ count: Int) -> [Int] { order.suffix(count).sorted() }

    /// The error when `count` units are kept, relative to removing all.
    public func relativeError(keeping count: Int) -> Double {
        let removed = order.count - count
        return removed <= 0 || whole <= 0 ? 0 : errors[removed - 1] / whole
    }

    /// The place of each unit in the order: the later, the more it is worth.
    func scores() -> [Double] {
        var scores = [Double](repeating: 0, count: order.count)
        for (place, unit) in order.enumerated() { scores[unit] = Double(place) }
        return scores
    }
}

extension DenseMatrix {
    fileprivate mutating func exchangeRows(_ one: Int, _ other: Int) {
        for column in 0..<columns { elements.swapAt(one * columns + column, other * columns + column) }
    }

    fileprivate mutating func exchangeColumns(_ one: Int, _ other: Int) {
        for row in 0..<rows { elements.swapAt(row * columns + one, row * columns + other) }
    }
}
