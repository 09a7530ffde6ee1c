import StructuredMatrices
import Tensors

/// A fit by any other fitter and a low-rank correction of what it got wrong.
public struct EoRAFitter: Fitter {
    public static let method = FittingMethod(
        name: "eora", family: MatrixSum.family, objectives: [.frobenius, .activations],
        summary: "a quantized or otherwise compressed matrix with a low-rank correction of its error",
        source: "EoRA, arXiv 2410.21271")

    /// Fits what is corrected.
    public var base: any Fitter
    /// Of the correction; nil takes `share` of the budget, and what the base leaves of its own.
    public var rank: Int?
    public var share: Double

    public init(base: any Fitter = QuantizedFitter(), rank: Int? = nil, share: Double = 0.25) {
        self.base = base
        self.rank = rank
        self.share = share
    }

    /// Cost: the base's fit and one `Double` SVD.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixSum> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        if let rank, rank < 1 {
            throw Self.invalid("rank", "1 or more", rank)
        }
        let allotted = size.share(share, shape: shape)
        let first = rank ?? (try? LowRankFactorisation.rank(within: allotted, shape: shape, precision: context.precision)) ?? 1
        let fitted = try base.fit(
            weight, objective: objective, size: size, reserving: .lowRank(first, shape: shape, precision: context.precision),
            family: MatrixSum.family, context: context)
        let left = size.remaining(after: fitted.matrix.cost, shape: shape)
        let rank = try rank ?? LowRankFactorisation.rank(within: left, shape: shape, precision: context.precision)
        return try LowRankCompensation().compensate(
            fitted.matrix, toward: weight, objective: objective, rank: rank, context: context)
    }
}

extension Fitter {
    /// A fit within what is left of `size` beside a part that costs `reserved`; of a budget that is too small it says what
    /// the whole, a matrix of `family`, would need.
    /// - Throws: as `fit`.
    func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, reserving reserved: Cost, family: Family,
        context: FitContext
    ) throws -> AnyFit {
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        do {
            return try fitAny(
                weight, objective: objective, size: size.remaining(after: reserved, shape: shape), context: context)
        } catch FittingError.budgetBelowMinimum(let matrix, _, let shape, _, let minimum) {
            throw FittingError.budgetBelowMinimum(
                matrix: matrix, family: family.name, shape: shape, budget: size, minimum: minimum + reserved)
        }
    }
}
