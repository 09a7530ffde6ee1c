import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// LDU at a grid of ranks, all from one decomposition of the (whitened) weight. It saves bytes against low-rank; of
/// multiply-adds it needs as many.
public struct LDUCandidates: CandidateSource {
    public init() {}

    public var family: Family { LDU.family }
    public var optionNames: Set<String> { ["rank"] }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        RankGrid.ranks(site.shape) { LDU.cost(shape: site.shape, rank: $0, precision: precision).parameters }
            .map { Candidate(family: family.name, options: ["rank": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        LDU.cost(shape: shape, rank: candidate["rank"], precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let rank = candidate["rank"]
        return LDU(
            lower: generator.factor([LDU.entries(shape.rows, rank: rank)], inner: rank, precision),
            diagonal: generator.factor([rank], inner: 1, precision),
            upper: generator.factor([LDU.entries(shape.columns, rank: rank)], inner: shape.columns, precision),
            rowOrder: .random(shape.rows, using: &generator), columnOrder: .random(shape.columns, using: &generator))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try LDUFitter().fitAny(context, size: .parameters(cost(of: candidate, at: context).parameters))
    }

    public func assess(
        _ candidates: [Candidate], _ context: CandidateContext, fitted: (Candidate, AnyFit) -> Void
    ) throws -> [AssessedCandidate] {
        try RankGrid.assess(candidates, context) {
            cost(of: $0, shape: context.site.shape, precision: context.fit.precision)
        }
    }
}
