import StructuredMatrices
import Tensors

/// As DSFormer's alternating fit, and from there by its straight-through factorizer: a latent weight moves against the error
/// and chooses the places of the codes. Never worse than its start.
public struct StraightThroughFitter: Fitter {
    public static let method = FittingMethod(
        name: "dsformer-stf", family: MatrixProduct.family, objectives: [.frobenius, .activations],
        summary: "N:M sparse codes times a small dense basis, places from a latent weight that follows the error",
        source: "DSFormer's straight-through factorizer, arXiv 2312.13211, on the layer's error")

    /// Where it starts.
    public var alternating: DSFormerFitter
    public var rounds: Int

    public init(alternating: DSFormerFitter = DSFormerFitter(), rounds: Int = 20) {
        self.alternating = alternating
        self.rounds = rounds
    }

    /// Cost: `DSFormerFitter`'s, and a round as one of its sweeps.
    /// - Throws: as `DSFormerFitter`; `FittingError.invalidOption` for fewer than 0 rounds.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixProduct> {
        guard rounds >= 0 else {
            throw Self.invalid("rounds", "0 or more", rounds)
        }
        do {
            return try alternating.fit(
                weight, objective: objective, size: size, context: context, straightThroughRounds: rounds)
        } catch let error as FittingError {
            throw error.renamed(family: MatrixProduct.family, fitter: Self.method.name)
        }
    }
}
