import LinearAlgebra
import Tensors

/// How much each unit of a part is worth keeping; larger is more. Scores of different parts are comparable only where a
/// `UnitAllocation` makes them so.
public enum UnitScore: String, Sendable, CaseIterable {
    /// Squares of the columns that read the unit and of the rows that make it.
    case magnitude
    /// Activation norm times the column's norm (Wanda's measure, arXiv 2306.11695, summed over a column).
    case activation
    /// CFSP (arXiv 2409.13199): shares of magnitude within each row of the reading matrix, weighted by activations, and within
    /// each column of the making ones, times the activation's norm. Shares are taken over the units; the released code takes them
    /// over the other axis, where they are constant and drop out.
    case relativeActivation = "relative-activation"
    /// FLAP (arXiv 2312.11983), its WIFV: variance of the input times the column's squared norm.
    case fluctuation
    /// MoDeGPT (arXiv 2408.09632), type I: ridge leverage [C (C + lambda I)^-1]_ii, lambda the mean of C's diagonal: with a
    /// small one every unit that no other can stand for counts alike, however little it says.
    case leverage
    /// ZipLM (arXiv 2302.04089): the order of one-at-a-time removals with exact updates; the score is the place in that order.
    case secondOrder = "second-order"

    /// One number for each unit.
    ///
    /// Cost: one pass over the weight, but for leverage (n^3) and second order (n^2 (n + outputs) for n inputs).
    /// - Throws: `LinearAlgebraError`.
    public func scores(of part: ReducedPart, relativeRidge: Double = 1e-3) throws -> [Double] {
        let inputs = 0..<part.weight.columns
        switch self {
        case .magnitude:
            let made = part.producers.map(\.rowSquares)
            let read = part.weight.columnSquares
            return part.summed(inputs.map { input in made.reduce(read[input]) { $0 + $1[input] } })
        case .activation:
            let read = part.weight.columnSquares
            return part.summed(inputs.map { part.moments.second[$0, $0].squareRoot() * read[$0].squareRoot() })
        case .relativeActivation:
            return part.summed(relativeActivations(part))
        case .fluctuation:
            let (variances, read) = (part.moments.variances, part.weight.columnSquares)
            return part.summed(inputs.map { variances[$0] * read[$0] })
        case .leverage:
            return part.summed(try leverages(part.moments.second, 1))
        case .secondOrder:
            return try StructuredRemoval(part, relativeRidge: relativeRidge).scores()
        }
    }

    private func relativeActivations(_ part: ReducedPart) -> [Double] {
        let norms = (0..<part.weight.columns).map { max(0, part.moments.second[$0, $0]).squareRoot() }
        var shares = [Double](repeating: 0, count: part.weight.columns)
        for row in 0..<part.weight.rows {
            var total = 0.0
            for column in norms.indices { total += abs(part.weight[row, column]) * norms[column] }
            guard total > 0 else { continue }
            let share = 1 / (total * Double(part.weight.rows))
            for column in norms.indices { shares[column] += abs(part.weight[row, column]) * norms[column] * share }
        }
        for producer in part.producers {
            for feature in 0..<producer.columns {
                var total = 0.0
                for input in norms.indices { total += abs(producer[input, feature]) }
                guard total > 0 else { continue }
                let share = 1 / (total * Double(producer.columns))
                for input in norms.indices { shares[input] += abs(producer[input, feature]) * share }
            }
        }
        return zip(shares, norms).map { $0 * $1 }
    }

    /// 1 - lambda [(C + lambda I)^-1]_ii, lambda a share of the mean diagonal.
    private func leverages(_ second: DoubleMatrix, _ relativeRidge: Double) throws -> [Double] {
        let count = second.rows
        let mean = (0..<count).reduce(0) { $0 + second[$1, $1] } / Double(max(1, count))
        guard mean > 0 else { return Array(repeating: 0, count: count) }
        let ridge = relativeRidge * mean
        var ridged = second
        for index in 0..<count { ridged[index, index] += ridge }
        let inverse = try SymmetricRoot(ridged).solve(.identity(count))
        return (0..<count).map { 1 - ridge * inverse[$0, $0] }
    }
}

extension DenseMatrix<Double> {
    var columnSquares: [Double] {
        var sums = [Double](repeating: 0, count: columns)
        for row in 0..<rows {
            for column in 0..<columns { sums[column] += self[row, column] * self[row, column] }
        }
        return sums
    }

    var rowSquares: [Double] {
        (0..<rows).map { row in self.row(row).reduce(0) { $0 + $1 * $1 } }
    }
}
