import LinearAlgebra
import Tensors

/// Lloyd's algorithm for weighted points, started by k-means++ (Arthur, Vassilvitskii 2007). Deterministic: every random
/// choice comes from the generator given.
///
/// Distances are products of matrices: |x - c|^2 = |x|^2 - 2 (x c - |c|^2 / 2), so the nearest centroid has the largest score
/// x c - |c|^2 / 2.
struct WeightedKMeans: Sendable {
    /// Centroids.
    var count: Int
    /// Rounds of Lloyd's algorithm at most; fewer where no point changes its centroid.
    var rounds = 10
    /// Points to learn from, for each centroid; of more points a systematic sample by weight is taken.
    var sample = 64

    /// `count` x width. About `rounds` + 1 times min(points, `sample` count) count width multiply-adds. Weights that are all
    /// zero count alike.
    func centroids(of points: MatrixView, weights: [Float], using generator: inout SeededGenerator) -> Matrix {
        let (chosen, weights) = sampled(points, weights, using: &generator)
        var centroids = seeds(chosen, weights, using: &generator)
        var nearest = [UInt16](repeating: 0, count: chosen.rows)
        for round in 0..<rounds {
            let next = chosen.withView { self.nearest($0, centroids) }
            if round > 0, next == nearest { break }
            nearest = next
            centroids = chosen.withView { means($0, weights, next, instead: centroids) }
        }
        return centroids
    }

    /// Points at most so wide are compared with all centroids at once, without their scores ever being stored.
    private static let widestCompared = 32

    /// The nearest centroid of every point, of equal ones the first. points count width multiply-adds, and as many comparisons
    /// as there are pairs.
    func nearest(_ points: MatrixView, _ centroids: Matrix) -> [UInt16] {
        let halves = (0..<centroids.rows).map { centroids.row($0).reduce(0) { $0 + $1 * $1 } / 2 }
        var result = [UInt16](repeating: 0, count: points.rows)
        guard points.rows > 0 else { return result }
        guard points.columns > Self.widestCompared else {
            let columns = centroids.transposed()
            columns.withView { columns in
                Kernels.best.nearestCentroids(
                    points.row(0), points.rowStride, points.rows, columns.row(0), columns.rowStride, halves, centroids.rows,
                    points.columns, &result)
            }
            return result
        }
        let rowsAtOnce = 256
        var scores = Matrix(rows: min(points.rows, rowsAtOnce), columns: centroids.rows)
        centroids.withView { centroids in
            for first in stride(from: 0, to: points.rows, by: rowsAtOnce) {
                let rows = first..<min(points.rows, first + rowsAtOnce)
                scores.withMutableView { scores in
                    let scores = scores.rows(0..<rows.count)
                    multiply(points.rows(rows), centroids, transposeB: true, into: scores)
                    // Products that are made already are those of the point 1 with centroids of one column.
                    for row in rows {
                        Kernels.best.nearestCentroids(
                            [1], 1, 1, scores.row(row - first), centroids.rows, halves, centroids.rows, 1, &result[row])
                    }
                }
            }
        }
        return result
    }

    /// All points, or a systematic sample in which a point stands for its share of the weight.
    private func sampled(
        _ points: MatrixView, _ weights: [Float], using generator: inout SeededGenerator
    ) -> (points: Matrix, weights: [Float]) {
        let total = weights.reduce(0.0) { $0 + Double($1) }
        let weights = total > 0 ? weights : [Float](repeating: 1, count: points.rows)
        let wanted = count * sample
        guard points.rows > wanted else {
            return (Matrix(rows: points.rows, columns: points.columns) { points.row($0)[$1] }, weights)
        }
        let step = (total > 0 ? total : Double(points.rows)) / Double(wanted)
        var next = generator.nextUniform() * step
        var (sum, chosen, multiples) = (0.0, [Int](), [Float]())
        for (index, weight) in weights.enumerated() {
            sum += Double(weight)
            var hits = 0
            while next < sum, hits < wanted {
                hits += 1
                next += step
            }
            if hits > 0 {
                chosen.append(index)
                multiples.append(Float(hits))
            }
        }
        return (Matrix(rows: chosen.count, columns: points.columns) { points.row(chosen[$0])[$1] }, multiples)
    }

    /// k-means++: each next seed is a point drawn by its weight times the squared distance to those before it. Where all points
    /// are seeds already, the rest of the centroids repeat the first.
    private func seeds(_ points: Matrix, _ weights: [Float], using generator: inout SeededGenerator) -> Matrix {
        var seeds = Matrix(rows: count, columns: points.columns)
        var distances = [Float](repeating: .infinity, count: points.rows)
        var masses = weights.map(Double.init)
        points.withView { points in
            seeds.withMutableView { seeds in
                for index in 0..<count {
                    let total = masses.reduce(0, +)
                    guard total > 0 else {
                        if index > 0 { seeds.row(index).update(from: seeds.row(0), count: seeds.columns) }
                        continue
                    }
                    var rest = generator.nextUniform() * total
                    // Rounding may leave a rest behind the last point that has any mass.
                    var drawn = masses.lastIndex { $0 > 0 } ?? 0
                    for (point, mass) in masses.enumerated() where mass > 0 {
                        rest -= mass
                        if rest < 0 {
                            drawn = point
                            break
                        }
                    }
                    let seed = seeds.row(index)
                    seed.update(from: points.row(drawn), count: seeds.columns)
                    for point in 0..<points.rows {
                        let row = points.row(point)
                        var distance: Float = 0
                        for column in 0..<seeds.columns {
                            let difference = row[column] - seed[column]
                            distance += difference * difference
                        }
                        if distance < distances[point] {
                            distances[point] = distance
                            masses[point] = Double(weights[point]) * Double(distance)
                        }
                    }
                }
            }
        }
        return seeds
    }

    /// Weighted means of the points of each centroid; a centroid without any stays where it was.
    func means(_ points: MatrixView, _ weights: [Float], _ nearest: [UInt16], instead: Matrix) -> Matrix {
        var sums = [Double](repeating: 0, count: instead.count)
        var masses = [Double](repeating: 0, count: instead.rows)
        let width = points.columns
        for row in 0..<points.rows {
            let (centroid, weight) = (Int(nearest[row]), Double(weights[row]))
            let point = points.row(row)
            masses[centroid] += weight
            for column in 0..<width { sums[centroid * width + column] += weight * Double(point[column]) }
        }
        var means = instead
        for centroid in 0..<instead.rows where masses[centroid] > 0 {
            for column in 0..<width {
                means.elements[centroid * width + column] = Float(sums[centroid * width + column] / masses[centroid])
            }
        }
        return means
    }
}
