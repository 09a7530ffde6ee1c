import LinearAlgebra
import StructuredMatrices
import Tensors

/// The patches so far and what they leave.
struct PatchSearch {
    private let shape: MatrixShape
    private let size: SizeBudget
    private let precision: Precision
    private let gram: DoubleMatrix?
    /// Mean squares of the inputs, 1 each under Frobenius.
    private let inputs: [Double]
    private let total: Double
    private var residual: DoubleMatrix
    private var patches: [IntervalPatches.Patch] = []
    private var left: [[Double]] = []
    private var right: [[Double]] = []
    private var entries = 0
    /// Patches beside the components of full length.
    private(set) var added = 0

    init(_ weight: Matrix, objective: Objective, size: SizeBudget, precision: Precision) throws {
        shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        (self.size, self.precision) = (size, precision)
        gram = objective.gram?.matrix
        inputs = objective.gram?.diagonal ?? [Double](repeating: 1, count: weight.columns)
        residual = weight.converted()
        total = objective.squaredNorm(of: residual)
    }

    /// Whether anything is left but rounding.
    var hasError: Bool { relativeError > 1e-13 }

    var relativeError: Double {
        guard total > 0 else { return 0 }
        let weighted = gram.map { residual.multiplied(by: $0) } ?? residual
        return max(0, residual.innerProduct(weighted)) / total
    }

    func matrix() throws -> IntervalPatches {
        let (u, v) = (left.flatMap { $0 }, right.flatMap { $0 })
        return try IntervalPatches(
            patches: patches, left: Factor(u.map { Float($0) }, shape: [u.count], precision: precision),
            right: Factor(v.map { Float($0) }, shape: [v.count], precision: precision), shape: shape)
    }

    /// Components of full length, as many as the whole budget allows at most (their intervals count too).
    mutating func start(_ factors: (u: DoubleMatrix, v: DoubleMatrix)) {
        let rows = IntervalPatches.Interval(start: 0, count: shape.rows)
        let columns = IntervalPatches.Interval(start: 0, count: shape.columns)
        for component in 0..<factors.u.columns where allows(rows.count + columns.count) {
            append(
                rows, columns, (0..<shape.rows).map { factors.u[$0, component] }, Array(factors.v.row(component)))
        }
    }

    private func allows(_ entries: Int) -> Bool {
        size.allows(
            IntervalPatches.cost(
                entries: self.entries + entries, patches: patches.count + 1, precision: precision),
            shape: shape)
    }

    private mutating func append(
        _ rows: IntervalPatches.Interval, _ columns: IntervalPatches.Interval, _ u: [Double], _ v: [Double]
    ) {
        patches.append(.init(rows: rows, columns: columns))
        left.append(u)
        right.append(v)
        entries += u.count + v.count
        change(patches.count - 1, by: -1)
    }

    /// Adds so much of a patch to the residual.
    private mutating func change(_ patch: Int, by sign: Double) {
        let (rows, columns) = (patches[patch].rows, patches[patch].columns)
        for (entry, value) in left[patch].enumerated() where value != 0 {
            let row = (rows.start + entry) % shape.rows
            for (place, other) in right[patch].enumerated() {
                residual[row, (columns.start + place) % shape.columns] += sign * value * other
            }
        }
    }

    /// Intervals of columns up to this long have v solved for under their own block of G.
    private static let solvable = 128

    /// Every u, and every v that is short or of full length, becomes the best for all else: no step raises the error.
    mutating func refit(_ context: FitContext) throws {
        for patch in patches.indices {
            try context.checkCancellation()
            let (rows, columns) = (patches[patch].rows, patches[patch].columns)
            change(patch, by: 1)
            if let v = try bestRight(rows, columns, left[patch]) { right[patch] = v }
            if let u = scaledLeft(rows, columns, right[patch]) { left[patch] = u }
            balance(&left[patch], &right[patch])
            change(patch, by: -1)
        }
    }

    /// The best v on its columns for a given u: G_JJ^-1 (G E^T u)_J / u u, which is E^T u / u u where J is everything.
    private func bestRight(
        _ rows: IntervalPatches.Interval, _ columns: IntervalPatches.Interval, _ u: [Double]
    ) throws -> [Double]? {
        let isWhole = columns.count == shape.columns
        guard isWhole || gram == nil || columns.count <= Self.solvable else { return nil }
        var whole = DoubleMatrix(rows: shape.rows, columns: 1)
        for (entry, value) in u.enumerated() { whole[(rows.start + entry) % shape.rows, 0] = value }
        let size = whole.squaredNorm
        guard size > 0, size.isFinite else { return nil }
        let image = residual.multiplied(by: whole, transposeSelf: true)
        let places = (0..<columns.count).map { (columns.start + $0) % shape.columns }
        guard let gram, !isWhole else { return places.map { image[$0, 0] / size } }
        let weighted = gram.multiplied(by: image)
        let inner = DoubleMatrix(rows: places.count, columns: places.count) { gram[places[$0], places[$1]] }
        let target = DoubleMatrix(rows: places.count, columns: 1) { place, _ in weighted[places[place], 0] / size }
        return try SymmetricRoot(inner).solve(target).elements
    }

    /// Numbers of one size in both vectors, which is kind to half precision.
    private func balance(_ u: inout [Double], _ v: inout [Double]) {
        let norms = (norm(u), norm(v))
        guard norms.0 > 0, norms.1 > 0, norms.0.isFinite, norms.1.isFinite else { return }
        let scale = (norms.1 / norms.0).squareRoot()
        for index in u.indices { u[index] *= scale }
        for index in v.indices { v[index] /= scale }
    }

    /// Adds the patch that saves most for every number, or the best of a given length; false where none fits or saves.
    mutating func addPatch(length: Int?) -> Bool {
        guard allows(length ?? 2) else { return false }
        var most = shape.rows + shape.columns
        if !allows(most) {
            var fits = 2
            while most - fits > 1 {
                let middle = (fits + most) / 2
                if allows(middle) { fits = middle } else { most = middle }
            }
            most = fits
        }
        let (u, v) = leadingPair()
        // Lengths are chosen in turn, each for the other's, and within what the other leaves.
        let (rowEnergies, columnEnergies) = (u.map { $0 * $0 }, zip(v, inputs).map { $0 * $0 * $1 })
        var rows = IntervalPatches.Interval(start: 0, count: max(1, min(shape.rows, most / 2)))
        var columns = rows
        for _ in 0..<4 {
            columns = Self.interval(columnEnergies, overhead: rows.count + 4, limit: most - rows.count)
            rows = Self.interval(rowEnergies, overhead: columns.count + 4, limit: most - columns.count)
        }
        if let length {
            // As wide for its height as what pays.
            let height = length * rows.count / (rows.count + columns.count)
            let count = max(1, length - shape.columns, min(height, shape.rows, length - 1))
            rows = Self.interval(rowEnergies, overhead: 0, counts: count...count)
            columns = Self.interval(columnEnergies, overhead: 0, counts: length - count...length - count)
        }
        var patchRight = (0..<columns.count).map { v[(columns.start + $0) % shape.columns] }
        var patchLeft = (0..<rows.count).map { u[(rows.start + $0) % shape.rows] }
        guard let scaled = scaledLeft(rows, columns, patchRight) else { return false }
        patchLeft = scaled
        guard norm(patchLeft) > 0, norm(patchRight) > 0 else { return false }
        balance(&patchLeft, &patchRight)
        append(rows, columns, patchLeft, patchRight)
        added += 1
        return true
    }

    private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    /// Some power iterations for the leading pair of the residual in the norm of the inputs, from its largest row.
    private func leadingPair() -> (u: [Double], v: [Double]) {
        let energies = (0..<shape.rows).map { residual.row($0).reduce(0) { $0 + $1 * $1 } }
        let largest = energies.indices.max { (energies[$0], $1) < (energies[$1], $0) } ?? 0
        var v = DoubleMatrix(rows: shape.columns, columns: 1, elements: Array(residual.row(largest)))
        var u = DoubleMatrix(rows: shape.rows, columns: 1)
        for _ in 0..<4 {
            u = residual.multiplied(by: gram.map { $0.multiplied(by: v) } ?? v)
            let length = u.squaredNorm.squareRoot()
            guard length > 0, length.isFinite else { break }
            u.scale(by: 1 / length)
            v = residual.multiplied(by: u, transposeSelf: true)
        }
        return (u.elements, v.elements)
    }

    /// The best u on its rows for a given v: E G v / (v G v), in the intervals.
    private func scaledLeft(
        _ rows: IntervalPatches.Interval, _ columns: IntervalPatches.Interval, _ v: [Double]
    ) -> [Double]? {
        var whole = DoubleMatrix(rows: shape.columns, columns: 1)
        for (place, value) in v.enumerated() { whole[(columns.start + place) % shape.columns, 0] = value }
        let weighted = gram.map { $0.multiplied(by: whole) } ?? whole
        let size = whole.innerProduct(weighted)
        guard size > 0, size.isFinite else { return nil }
        let image = residual.multiplied(by: weighted)
        return (0..<rows.count).map { image[(rows.start + $0) % shape.rows, 0] / size }
    }

    /// The interval of the most energy for the square root of the patch's numbers, which has `overhead` besides: by energy
    /// for each number alone the ends of an interval of even energy would be cut off.
    private static func interval(_ energies: [Double], overhead: Int, limit: Int) -> IntervalPatches.Interval {
        interval(energies, overhead: overhead, counts: 1...max(1, min(energies.count, limit)))
    }

    /// The same among intervals of given lengths.
    private static func interval(
        _ energies: [Double], overhead: Int, counts: ClosedRange<Int>
    ) -> IntervalPatches.Interval {
        let size = energies.count
        var sums = [0.0]
        for index in 0..<2 * size { sums.append(sums[index] + energies[index % size]) }
        var (best, density) = (IntervalPatches.Interval(start: 0, count: counts.upperBound), 0.0)
        for count in counts {
            let cost = Double(count + overhead).squareRoot()
            // All intervals of full length are the same.
            for start in 0..<(count == size ? 1 : size) {
                let value = (sums[start + count] - sums[start]) / cost
                if value > density { (best, density) = (IntervalPatches.Interval(start: start, count: count), value) }
            }
        }
        return best
    }
}
