import LinearAlgebra
import StructuredMatrices
import Tensors

/// Gaudi-GBLR for a trained weight: half of the budget goes to components of full length, the weighted low-rank fit, the
/// rest to patches found one after another in what is left, each the leading pair of vectors cut to the intervals that save
/// most error for every number; then all numbers together by L-BFGS, the intervals staying.
///
/// Intervals mean something only where neighbours are alike, which the features of most trained layers are not: there the
/// patches come out long, and the result is close to low-rank. (In training, the paper's use, intervals are learned.)
public struct IntervalPatchFitter: Fitter {
    public static let method = FittingMethod(
        name: "gaudi-patches", family: IntervalPatches.family, objectives: [.frobenius, .activations],
        summary: "low-rank, then patches on intervals of what is left one after another, then all by L-BFGS",
        source: "Gaudi-GBLR, arXiv 2310.18882; the fit is this project's")

    /// Of the budget, for components of full length.
    public var lowRankShare: Double
    /// L-BFGS iterations at most.
    public var refinements: Int

    public init(lowRankShare: Double = 0.5, refinements: Int = 30) {
        self.lowRankShare = lowRankShare
        self.refinements = refinements
    }

    /// Cost: one SVD of W L, for each patch some 10 rows columns and, under activations, 4 columns^2 multiply-adds, and
    /// `GradientRefinement`'s.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<IntervalPatches> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let reduced = try objective.reduced(to: Self.method.objectives)
        // One row and one column.
        _ = try size.largest(in: 1...1, family: IntervalPatches.family, shape: shape, matrix: context.name) { _ in
            IntervalPatches.cost(entries: 2, patches: 1, precision: context.precision)
        }
        var search = try PatchSearch(weight, objective: reduced, size: size, precision: context.precision)
        if let rank = try? LowRankFactorisation.rank(
            within: size.share(max(0, min(lowRankShare, 1)), shape: shape), shape: shape, precision: context.precision)
        {
            search.start(try LowRankFactorisation(weight, objective: reduced, context: context).balancedFactors(rank: rank))
        }
        while search.hasError {
            try context.checkCancellation()
            guard search.addPatch() else { break }
        }
        let start = try search.matrix()
        let refined = try GradientRefinement(iterations: refinements).refine(
            start, toward: weight, objective: reduced, context: context)
        return try Fit(
            measuring: refined.matrix, for: weight, objective: objective, context: context, trace: refined.trace)
    }
}

/// The patches so far and what they leave.
private struct PatchSearch {
    private let shape: MatrixShape
    private let size: SizeBudget
    private let precision: Precision
    private let gram: DoubleMatrix?
    /// Mean squares of the inputs, 1 each under Frobenius.
    private let inputs: [Double]
    private let total: Double
    private var residual: DoubleMatrix
    private var patches: [IntervalPatches.Patch] = []
    private var left: [Double] = []
    private var right: [Double] = []

    init(_ weight: Matrix, objective: Objective, size: SizeBudget, precision: Precision) throws {
        shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        (self.size, self.precision) = (size, precision)
        gram = objective.gram?.matrix
        inputs = objective.gram?.diagonal ?? [Double](repeating: 1, count: weight.columns)
        residual = weight.converted()
        total = objective.squaredNorm(of: residual)
    }

    /// Whether anything is left but rounding.
    var hasError: Bool {
        guard total > 0 else { return false }
        let weighted = gram.map { residual.multiplied(by: $0) } ?? residual
        return residual.innerProduct(weighted) > 1e-13 * total
    }

    func matrix() throws -> IntervalPatches {
        try IntervalPatches(
            patches: patches, left: Factor(left.map { Float($0) }, shape: [left.count], precision: precision),
            right: Factor(right.map { Float($0) }, shape: [right.count], precision: precision), shape: shape)
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
                entries: left.count + right.count + entries, patches: patches.count + 1, precision: precision),
            shape: shape)
    }

    private mutating func append(
        _ rows: IntervalPatches.Interval, _ columns: IntervalPatches.Interval, _ u: [Double], _ v: [Double]
    ) {
        patches.append(.init(rows: rows, columns: columns))
        left += u
        right += v
        for (entry, value) in u.enumerated() where value != 0 {
            let row = (rows.start + entry) % shape.rows
            for (place, other) in v.enumerated() {
                residual[row, (columns.start + place) % shape.columns] -= value * other
            }
        }
    }

    /// Adds the patch that saves most for every number; false where none fits or saves.
    mutating func addPatch() -> Bool {
        guard allows(2) else { return false }
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
        // Lengths are chosen in turn, each for the other's; a patch that does not fit gives half to either side.
        let (rowLimit, columnLimit) =
            most >= shape.rows + shape.columns
            ? (shape.rows, shape.columns) : (max(1, min(shape.rows, most / 2)), max(1, min(shape.columns, most / 2)))
        let (rowEnergies, columnEnergies) = (u.map { $0 * $0 }, zip(v, inputs).map { $0 * $0 * $1 })
        var columns = IntervalPatches.Interval(start: 0, count: shape.columns)
        var rows = columns
        for _ in 0..<3 {
            rows = Self.interval(rowEnergies, overhead: columns.count + 4, limit: rowLimit)
            columns = Self.interval(columnEnergies, overhead: rows.count + 4, limit: columnLimit)
        }
        var patchRight = (0..<columns.count).map { v[(columns.start + $0) % shape.columns] }
        var patchLeft = (0..<rows.count).map { u[(rows.start + $0) % shape.rows] }
        guard let scaled = scaledLeft(rows, columns, patchRight) else { return false }
        patchLeft = scaled
        // Numbers of one size in both, which is kind to half precision.
        let norms = (norm(patchLeft), norm(patchRight))
        guard norms.0 > 0, norms.1 > 0 else { return false }
        let scale = (norms.1 / norms.0).squareRoot()
        for index in patchLeft.indices { patchLeft[index] *= scale }
        for index in patchRight.indices { patchRight[index] /= scale }
        append(rows, columns, patchLeft, patchRight)
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

    /// The interval of the most energy for every number of the patch, which has `overhead` besides.
    private static func interval(_ energies: [Double], overhead: Int, limit: Int) -> IntervalPatches.Interval {
        let size = energies.count
        var sums = [0.0]
        for index in 0..<2 * size { sums.append(sums[index] + energies[index % size]) }
        var (best, density) = (IntervalPatches.Interval(start: 0, count: min(size, limit)), 0.0)
        for count in 1...max(1, min(size, limit)) {
            let cost = Double(count + overhead)
            // All intervals of full length are the same.
            for start in 0..<(count == size ? 1 : size) {
                let value = (sums[start + count] - sums[start]) / cost
                if value > density { (best, density) = (IntervalPatches.Interval(start: start, count: count), value) }
            }
        }
        return best
    }
}
