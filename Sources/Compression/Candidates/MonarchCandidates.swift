import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Monarch with 4 input blocks and 4 output groups, at ranks from a tenth to three quarters of the dense size.
public struct MonarchCandidates: CandidateSource {
    private static let blocks = 4

    public init() {}

    public var family: Family { Monarch.family }
    public var isSlow: Bool { true }

    public func serves(_ quantity: Budget.Quantity) -> Bool { true }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let blocks = Self.blocks
        guard site.shape.rows % blocks == 0, site.shape.columns % blocks == 0 else { return [] }
        let perRank = blocks * (site.shape.rows + site.shape.columns)
        let largest = site.shape.count * 3 / 4 / perRank
        var ranks = Set((4...30).map { site.shape.count * $0 / 40 / perRank })
        ranks = ranks.filter { $0 >= 1 && $0 <= largest }
        return ranks.sorted().map { Candidate(family: family.name, options: ["blocks": blocks, "rank": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        let count = candidate["rank"] * candidate["blocks"] * (shape.rows + shape.columns)
        return Cost(parameters: count, storedBytes: count * precision.elementType.byteCount, multiplyAdds: count)
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        let size = cost(of: candidate, shape: context.site.shape, precision: context.fit.precision)
        return try MonarchFitter(inputBlocks: candidate["blocks"], outputGroups: candidate["blocks"]).fitAny(
            context.weight, objective: context.objective, size: .parameters(size.parameters), context: context.fit)
    }
}
