import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Interpolative low-rank at a grid of ranks, all from one decomposition of the (whitened) weight.
public struct InterpolativeCandidates: CandidateSource {
    public init() {}

    public var family: Family { Interpolative.family }
    public var optionNames: Set<String> { ["rank"] }
    public var sizeOption: String? { "rank" }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        RankGrid.ranks(site.shape) { cost(rank: $0, site.shape, precision).parameters }
            .map { Candidate(family: family.name, options: ["rank": $0]) }
    }

    private func cost(rank: Int, _ shape: MatrixShape, _ precision: Precision) -> Cost {
        Interpolative.cost(shape: shape, rank: rank, precision: precision)
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        cost(rank: candidate["rank"], shape, precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let rank = candidate["rank"]
        return Interpolative(
            u: generator.factor([shape.rows, rank], inner: rank, precision),
            v: generator.factor([rank, shape.columns - rank], inner: shape.columns, precision),
            columnOrder: .random(shape.columns, using: &generator))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try InterpolativeFitter().fitAny(context, size: .parameters(cost(of: candidate, at: context).parameters))
    }

    /// The matrices are those of low-rank, and so are their errors.
    public func assess(
        _ candidates: [Candidate], _ context: CandidateContext, fitted: (Candidate, AnyFit) -> Void
    ) throws -> [AssessedCandidate] {
        try RankGrid.assess(candidates, context) {
            cost(of: $0, shape: context.site.shape, precision: context.fit.precision)
        }
    }
}
