import LinearAlgebra
import Tensors

/// Rows and columns of a matrix of energies in groups of equal size, so that much of the energy lies where a row and a column
/// of the same group meet.
struct CoClustering {
    /// The group of every row and of every column.
    struct Groups: Sendable {
        var rows: [Int]
        var columns: [Int]
        /// Energy where groups meet.
        var kept: Double
        /// After each round.
        var trace: [Double]
    }

    private let energy: DoubleMatrix
    private let transposed: DoubleMatrix
    private let groups: Int

    /// - Precondition: both sizes are multiples of `groups`.
    init(_ energy: DoubleMatrix, groups: Int) {
        self.energy = energy
        transposed = energy.transposed()
        self.groups = groups
    }

    private static let rounds = 30

    /// The start is the columns' coordinates in the leading singular vectors of the root of the energies, normalised by their
    /// sums (as in spectral co-clustering, Dhillon 2001), grouped around seeds that differ from start to start.
    /// - Throws: `LinearAlgebraError`, `FittingError.cancelled`.
    func best(of restarts: Int, context: FitContext) throws -> Groups {
        guard groups > 1 else {
            let kept = energy.elements.reduce(0, +)
            return Groups(
                rows: [Int](repeating: 0, count: energy.rows), columns: [Int](repeating: 0, count: energy.columns),
                kept: kept, trace: [kept])
        }
        var generator = context.generator(for: "co-clustering")
        let coordinates = try spectralCoordinates(using: &generator)
        var best: Groups?
        for _ in 0..<restarts {
            try context.checkCancellation()
            let found = alternated(from: seeded(coordinates, using: &generator))
            if found.kept > best?.kept ?? -1 { best = found }
        }
        return best ?? alternated(from: (0..<energy.columns).map { $0 * groups / energy.columns })
    }

    /// From this size on the few leading vectors are found by randomized SVD.
    private static let largestExact = 512

    private func spectralCoordinates(using generator: inout SeededGenerator) throws -> DoubleMatrix {
        func sums(_ matrix: DoubleMatrix) -> [Double] {
            (0..<matrix.rows).map { matrix.row($0).reduce(0) { $0 + $1.squareRoot() } }
        }
        let (rowSums, columnSums) = (sums(energy), sums(transposed))
        let normalised = DoubleMatrix(rows: energy.rows, columns: energy.columns) { row, column in
            let scale = rowSums[row] * columnSums[column]
            return scale > 0 ? energy[row, column].squareRoot() / scale.squareRoot() : 0
        }
        let vt =
            min(energy.rows, energy.columns) > Self.largestExact
            ? try RandomizedSVD()(normalised, rank: groups, using: &generator).vt
            : try SingularValues(normalised).truncated(to: groups).vt
        return DoubleMatrix(rows: energy.columns, columns: vt.rows) { vt[$1, $0] }
    }

    /// Seeds far from each other (k-means++), then every column to the nearest with room.
    private func seeded(_ coordinates: DoubleMatrix, using generator: inout SeededGenerator) -> [Int] {
        let count = coordinates.rows
        func distance(_ first: Int, _ second: Int) -> Double {
            zip(coordinates.row(first), coordinates.row(second)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        }
        var seeds = [generator.nextInteger(below: count)]
        while seeds.count < groups {
            let distances = (0..<count).map { column in seeds.map { distance(column, $0) }.min() ?? 0 }
            var position = generator.nextUniform() * distances.reduce(0, +)
            var chosen = distances.indices.first { !seeds.contains($0) } ?? 0
            for column in 0..<count where distances[column] > 0 {
                chosen = column
                position -= distances[column]
                if position < 0 { break }
            }
            seeds.append(chosen)
        }
        return Self.assignment(
            DoubleMatrix(rows: count, columns: groups) { -distance($0, seeds[$1]) })
    }

    /// Rows to groups of columns, columns to groups of rows, until nothing is gained.
    private func alternated(from columns: [Int]) -> Groups {
        var result = Groups(rows: [], columns: columns, kept: -1, trace: [])
        for _ in 0..<Self.rounds {
            let before = result.kept
            let rowGains = Self.gains(energy, result.columns, groups)
            result.rows = Self.better(Self.assignment(rowGains), result.rows, rowGains)
            let columnGains = Self.gains(transposed, result.rows, groups)
            result.columns = Self.better(Self.assignment(columnGains), result.columns, columnGains)
            result.kept = Self.total(columnGains, result.columns)
            result.trace.append(result.kept)
            if result.kept <= before * (1 + 1e-12) { break }
        }
        return result
    }

    /// Energy of every row in the columns of every group.
    private static func gains(_ energy: DoubleMatrix, _ columns: [Int], _ groups: Int) -> DoubleMatrix {
        var result = DoubleMatrix(rows: energy.rows, columns: groups)
        result.withMutableView { result in
            energy.withView { energy in
                for row in 0..<energy.rows {
                    let (source, target) = (energy.row(row), result.row(row))
                    for column in columns.indices { target[columns[column]] += source[column] }
                }
            }
        }
        return result
    }

    private static func total(_ gains: DoubleMatrix, _ groups: [Int]) -> Double {
        groups.enumerated().reduce(0) { $0 + gains[$1.offset, $1.element] }
    }

    /// The new assignment, unless the old gains more.
    private static func better(_ new: [Int], _ old: [Int], _ gains: DoubleMatrix) -> [Int] {
        old.count == new.count && total(gains, old) > total(gains, new) ? old : new
    }

    /// Items (rows) to groups (columns) of equal size with a large sum of gains: those with most to lose first, each to its
    /// best group with room, then exchanges of pairs as long as they gain.
    static func assignment(_ gains: DoubleMatrix) -> [Int] {
        let (items, groups) = (gains.rows, gains.columns)
        let capacity = items / groups
        let regret = (0..<items).map { item -> Double in
            let sorted = gains.row(item).sorted(by: >)
            return sorted.count > 1 ? sorted[0] - sorted[1] : 0
        }
        var room = [Int](repeating: capacity, count: groups)
        var result = [Int](repeating: 0, count: items)
        for item in (0..<items).sorted(by: { (regret[$1], $0) < (regret[$0], $1) }) {
            var chosen = -1
            for group in 0..<groups where room[group] > 0 && (chosen < 0 || gains[item, group] > gains[item, chosen]) {
                chosen = group
            }
            result[item] = chosen
            room[chosen] -= 1
        }
        let floor = 1e-12 * gains.elements.reduce(0) { max($0, abs($1)) }
        for _ in 0..<10 {
            var exchanged = false
            gains.withView { gains in
                for first in 0..<items {
                    let row = gains.row(first)
                    for second in first + 1..<max(items, first + 1) where result[first] != result[second] {
                        let other = gains.row(second)
                        let (a, b) = (result[first], result[second])
                        if row[b] + other[a] > row[a] + other[b] + floor {
                            (result[first], result[second]) = (b, a)
                            exchanged = true
                        }
                    }
                }
            }
            if !exchanged { break }
        }
        return result
    }
}
