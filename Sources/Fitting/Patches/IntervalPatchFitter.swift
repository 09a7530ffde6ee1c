import LinearAlgebra
import StructuredMatrices
import Tensors

/// Gaudi-GBLR for a trained weight: half of the budget goes to components of full length, the weighted low-rank fit, the
/// rest to patches found one after another in what is left, each the leading pair of vectors cut to the intervals that save
/// most error for their length; then exact least squares of one vector after another, the intervals staying.
///
/// Intervals mean something only where neighbours are alike, which the features of most trained layers are not: there the
/// patches come out long, and the result is close to low-rank. (In training, the paper's use, intervals are learned.)
public struct IntervalPatchFitter: Fitter {
    public static let method = FittingMethod(
        name: "gaudi-patches", family: IntervalPatches.family, objectives: [.frobenius, .activations],
        summary: "low-rank, then patches on intervals of what is left one after another, then exact least squares of all in turn",
        source: "Gaudi-GBLR, arXiv 2310.18882; the fit is this project's")

    /// Of the budget, for components of full length.
    public var lowRankShare: Double
    /// Sweeps of least squares over all patches at most.
    public var sweeps: Int
    /// A sweep that lowers the error by less than this share of it is the last.
    public var tolerance: Double
    /// Fixes what is stored, in the place of `lowRankShare`; nil lets patches be as long as pays, up to the budget.
    public var form: Form?

    public init(lowRankShare: Double = 0.5, sweeps: Int = 8, tolerance: Double = 1e-3, form: Form? = nil) {
        self.lowRankShare = lowRankShare
        self.sweeps = sweeps
        self.tolerance = tolerance
        self.form = form
    }

    /// Components of full length and patches of one length. A fit has fewer patches only where nothing is left for more.
    public struct Form: Sendable, Equatable {
        public let components: Int
        public let patches: Int
        /// Rows and columns of a patch together: 2 or more, at most those of the matrix.
        public let length: Int

        public init(components: Int, patches: Int, length: Int) {
            (self.components, self.patches, self.length) = (components, patches, length)
        }

        public func cost(shape: MatrixShape, precision: Precision) -> Cost {
            IntervalPatches.cost(
                entries: components * (shape.rows + shape.columns) + patches * length, patches: components + patches,
                precision: precision)
        }

        /// - Throws: `FittingError.invalidOption`.
        fileprivate func check(_ shape: MatrixShape) throws {
            let limits = [
                ("components", components, 0...min(shape.rows, shape.columns)), ("patches", patches, 0...shape.count),
                ("length", length, 2...max(2, shape.rows + shape.columns)),
            ]
            for (option, value, limit) in limits where !limit.contains(value) {
                throw FittingError.invalidOption(
                    fitter: IntervalPatchFitter.method.name, option: option,
                    expected: "\(limit.lowerBound) to \(limit.upperBound)", got: value)
            }
        }
    }

    /// Cost: one SVD of W L, and for each patch some 10 rows columns and, under activations, 4 columns^2 multiply-adds, about
    /// as much again in every sweep.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<IntervalPatches> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let reduced = try objective.reduced(to: Self.method.objectives)
        try form?.check(shape)
        // One row and one column.
        _ = try size.largest(in: 1...1, family: IntervalPatches.family, shape: shape, matrix: context.name) { _ in
            form?.cost(shape: shape, precision: context.precision)
                ?? IntervalPatches.cost(entries: 2, patches: 1, precision: context.precision)
        }
        var search = try PatchSearch(weight, objective: reduced, size: size, precision: context.precision)
        let rank = form?.components ?? (try? LowRankFactorisation.rank(
            within: size.share(max(0, min(lowRankShare, 1)), shape: shape), shape: shape, precision: context.precision))
        if let rank, rank > 0 {
            search.start(try LowRankFactorisation(weight, objective: reduced, context: context).balancedFactors(rank: rank))
        }
        while search.hasError, search.added < form?.patches ?? .max {
            try context.checkCancellation()
            guard search.addPatch(length: form?.length) else { break }
        }
        var trace = [search.relativeError]
        for sweep in 0..<max(0, sweeps) where search.hasError {
            try search.refit(context)
            let error = search.relativeError
            context.progress(FitProgress(sweep: sweep + 1, limit: sweeps, relativeError: error))
            trace.append(error)
            if trace[sweep] - error < tolerance * trace[sweep] { break }
        }
        return try Fit(
            measuring: search.matrix(), for: weight, objective: objective, context: context, trace: trace)
    }
}
