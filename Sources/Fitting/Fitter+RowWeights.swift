import StructuredMatrices
import Tensors

extension Fitter where Fitted: RowScalable {
    /// A fit under weights of rows by one without: D^1/2 W is fitted under the columns' part of the objective, and
    /// the rows of the fit are divided by D^1/2 again. Exact where the fit is, because the family is closed
    /// under scaling of rows.
    ///
    /// Factors are rounded to the context's precision once, after the division.
    func fitScalingRows(
        _ weight: Matrix, _ rowWeights: [Double], objective: Objective, size: SizeBudget, context: FitContext
    ) throws -> Fit<Fitted> {
        let largest = rowWeights.max() ?? 0
        guard largest > 0 else {
            return try fit(weight, objective: objective.ofColumns, size: size, context: context)
        }
        let scale = rowWeights.map { ($0 / largest).squareRoot() }
        var scaled = weight
        scaled.scaleRows(by: scale)
        var inner = context
        inner.precision = .f32
        let bytes = (Precision.f32.elementType.byteCount, context.precision.elementType.byteCount)
        let fit: Fit<Fitted>
        do {
            fit = try self.fit(
                scaled, objective: objective.ofColumns, size: size.storedBytes(times: bytes.0, over: bytes.1),
                context: inner)
        } catch FittingError.budgetBelowMinimum(let matrix, let family, let shape, _, var minimum) {
            minimum.storedBytes = minimum.storedBytes * bytes.1 / bytes.0
            throw FittingError.budgetBelowMinimum(
                matrix: matrix, family: family, shape: shape, budget: size, minimum: minimum)
        }
        let matrix = fit.matrix.scalingRows(by: scale.map { Float(1 / $0) }, precision: context.precision)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context, trace: fit.trace)
    }
}

extension SizeBudget {
    /// A budget of bytes for numbers of another size; any other budget as it is.
    func storedBytes(times numerator: Int, over denominator: Int) -> SizeBudget {
        guard case .storedBytes(let count) = self else { return self }
        let (product, overflows) = count.multipliedReportingOverflow(by: numerator)
        return .storedBytes((overflows ? Int.max : product) / denominator)
    }
}
