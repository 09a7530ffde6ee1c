import Foundation
import LinearAlgebra
import StructuredMatrices
import Tensors

/// Rows cut into sub-spaces, each with centroids of its own by weighted k-means: what product quantization is made of.
struct SubspaceQuantizer: Sendable {
    /// First column of every sub-space.
    let starts: [Int]
    /// Centroids of each sub-space.
    let count: Int
    var rounds: Int

    /// Sub-spaces of one width, but for rounding.
    static func even(_ subspaces: Int, columns: Int) -> [Int] { (0..<subspaces).map { $0 * columns / subspaces } }

    /// Sub-spaces of equal rate for columns that are uncorrelated and of falling variance: bits are shared out among columns by
    /// reverse water-filling (Cover, Thomas, 10.3.3), and a sub-space ends where its share is full. Widths grow with falling
    /// variance; what gets no bits goes to the last one.
    /// - Parameter variances: descending.
    static func ofEqualRate(_ subspaces: Int, bits: Int, variances: [Double]) -> [Int] {
        let columns = variances.count
        let largest = variances.first ?? 0
        guard largest > 0, largest.isFinite else { return even(subspaces, columns: columns) }
        let wanted = Double(subspaces * bits)
        func rates(_ level: Double) -> [Double] { variances.map { $0 > level ? 0.5 * log2($0 / level) : 0 } }
        // The level is between a variance that no bits can reach and the largest; bisected over its logarithm.
        var (low, high) = (-4 * wanted / Double(columns) - 200, 0.0)
        for _ in 0..<80 {
            let middle = (low + high) / 2
            if rates(largest * exp2(middle)).reduce(0, +) > wanted { low = middle } else { high = middle }
        }
        let found = rates(largest * exp2(high))
        let total = found.reduce(0, +)
        guard total > 0 else { return even(subspaces, columns: columns) }
        var starts = [0]
        var sum = 0.0
        for (column, rate) in found.enumerated() where starts.count < subspaces {
            let next = starts.count
            // Every sub-space needs a column, also those still to come.
            if column > starts[next - 1], sum >= total * Double(next) / Double(subspaces) || columns - column == subspaces - next {
                starts.append(column)
            }
            sum += rate
        }
        return starts
    }

    /// Codes, rows x sub-spaces, and centroids, `count` x columns. Sub-spaces are shared among the context's threads.
    /// - Throws: `FittingError.cancelled`.
    func quantize(
        _ rows: Matrix, weights: [Float], purpose: String, context: FitContext
    ) throws -> (codes: [UInt16], centroids: Matrix) {
        let means = WeightedKMeans(count: count, rounds: rounds)
        let found = try rows.withView { view in
            try context.execution.parallelMap(starts.count) { subspace in
                try context.checkCancellation()
                let columns = columns(subspace, of: rows.columns)
                let piece = view.columns(columns)
                var generator = context.generator(for: "\(purpose) \(subspace)")
                let learned = means.centroids(of: piece, weights: weights, using: &generator)
                // Learned from a sample where there are many rows; all of them have the last word.
                let centroids = means.means(piece, weights, means.nearest(piece, learned), instead: learned)
                return (means.nearest(piece, centroids), centroids)
            }
        }
        var codes = [UInt16](repeating: 0, count: rows.rows * starts.count)
        var centroids = Matrix(rows: count, columns: rows.columns)
        for (subspace, (nearest, values)) in found.enumerated() {
            for row in 0..<rows.rows { codes[row * starts.count + subspace] = nearest[row] }
            centroids.setBlock(values, row: 0, column: starts[subspace])
        }
        return (codes, centroids)
    }

    /// The rows that the codes stand for.
    func decoded(_ codes: [UInt16], _ centroids: Matrix, rows: Int) -> Matrix {
        var result = Matrix(rows: rows, columns: centroids.columns)
        result.withMutableView { result in
            centroids.withView { centroids in
                for row in 0..<rows {
                    for subspace in starts.indices {
                        let columns = columns(subspace, of: centroids.columns)
                        (result.row(row) + columns.lowerBound).update(
                            from: centroids.row(Int(codes[row * starts.count + subspace])) + columns.lowerBound,
                            count: columns.count)
                    }
                }
            }
        }
        return result
    }

    private func columns(_ subspace: Int, of width: Int) -> Range<Int> {
        starts[subspace]..<(subspace + 1 < starts.count ? starts[subspace + 1] : width)
    }
}

extension Objective {
    /// The rows' weights over the largest; all 1 where the objective does not weigh them.
    func relativeRowWeights(rows: Int) -> [Float] {
        let weights = rowWeights ?? []
        let largest = weights.max() ?? 0
        return largest > 0 ? weights.map { Float($0 / largest) } : [Float](repeating: 1, count: rows)
    }
}
