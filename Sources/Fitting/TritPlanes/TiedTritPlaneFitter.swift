import StructuredMatrices
import Tensors

/// Trit-planes whose scales are tied, each three times the next: the sums are then evenly spaced, so that K planes are the
/// balanced ternary digits of one integer of 3^K values and a single integer product serves all of them.
///
/// One number for each group instead of K is searched for; on trained weights nothing is lost by it.
public struct TiedTritPlaneFitter: Fitter {
    public static let method = FittingMethod(
        name: "trit-planes-tied", family: TritPlanes.family, objectives: [.frobenius, .activations],
        summary: "ternary planes whose scales are powers of three of one, group by group",
        source: "PTQTP, arXiv 2509.16989; the tied scales are those of an independent implementation")

    /// As of `TritPlaneFitter`.
    public var planes: Int?
    public var groupSize: Int
    public var compensated: Bool

    public init(planes: Int? = nil, groupSize: Int = 128, compensated: Bool = true) {
        self.planes = planes
        self.groupSize = groupSize
        self.compensated = compensated
    }

    /// Cost: about half of `TritPlaneFitter`'s.
    /// - Throws: as `TritPlaneFitter`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<TritPlanes> {
        do {
            return try TritPlaneFitter(planes: planes, groupSize: groupSize, compensated: compensated, tied: true)
                .fit(weight, objective: objective, size: size, context: context)
        } catch let error as FittingError {
            throw error.renamed(family: TritPlanes.family, fitter: Self.method.name)
        }
    }
}
