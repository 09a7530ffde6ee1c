import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Reflections on both sides of a diagonal at a grid of counts; twice the multiply-adds of its numbers, so it serves bytes.
public struct HouseholderCandidates: CandidateSource {
    public init() {}

    public var family: Family { HouseholderProduct.family }
    public var optionNames: Set<String> { ["count"] }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }

    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity == .bytes }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        RankGrid.ranks(site.shape) { cost($0, site.shape, precision).parameters }
            .map { Candidate(family: family.name, options: ["count": $0]) }
    }

    private func cost(_ count: Int, _ shape: MatrixShape, _ precision: Precision) -> Cost {
        HouseholderProduct.cost(shape: shape, leftCount: count, rightCount: count, precision: precision)
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        cost(candidate["count"], shape, precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let count = candidate["count"]
        return HouseholderProduct(
            left: generator.factor([count, shape.rows], inner: 1, precision),
            diagonal: generator.factor([min(shape.rows, shape.columns)], inner: 1, precision),
            right: generator.factor([count, shape.columns], inner: 1, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try HouseholderFitter(count: candidate["count"]).fitAny(context, size: .parameters(.max))
    }
}
