import StructuredMatrices
import Tensors

extension Fitter {
    /// `fitAny`, and where the objective is not among those that the method makes small: the fit under the nearest
    /// that is (without weights of rows, without Fisher weights, without any), then `refinement` under the
    /// objective itself if the family is differentiable. The fit's `refinement` names it when it helped.
    /// - Throws: as `fit`.
    public func fitRefining(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext,
        refinement: GradientRefinement = GradientRefinement()
    ) throws -> AnyFit {
        guard !method.objectives.contains(objective.kind) else {
            return try fitAny(weight, objective: objective, size: size, context: context)
        }
        try context.check(weight, objective)
        let start = try fitAny(
            weight, objective: try objective.reduced(to: method.objectives), size: size, context: context)
        let error = try objective.error(of: start.matrix.dense(), for: weight, name: context.name)
        let unrefined = AnyFit(matrix: start.matrix, relativeError: error, trace: [error])
        guard let matrix = start.matrix as? any DifferentiableMatrix, error > 0 else { return unrefined }
        let refined = try refinement.refineAny(matrix, toward: weight, objective: objective, context: context)
        return refined.relativeError < error ? refined : unrefined
    }
}

extension GradientRefinement {
    /// In reports and tables.
    public static let name = "l-bfgs"

    /// `refine` with the family forgotten and this method named.
    func refineAny(
        _ start: some DifferentiableMatrix, toward weight: Matrix, objective: Objective, context: FitContext
    ) throws -> AnyFit {
        let fit = try refine(start, toward: weight, objective: objective, context: context)
        return AnyFit(
            matrix: fit.matrix, relativeError: fit.relativeError, trace: fit.trace, refinement: Self.name)
    }
}
