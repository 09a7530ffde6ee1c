import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Tucker of linear layers, as a tensor of two sides with equal ranks: low-rank with a core between its factors.
public struct TuckerCandidates: CandidateSource {
    public init() {}

    public var family: Family { Tucker.family }
    public var optionNames: Set<String> { ["rank"] }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }
    private static let kernel = MatrixShape(rows: 1, columns: 1)

    private static func ranks(_ candidate: Candidate) -> [Int] { [candidate["rank"], candidate["rank"], 1, 1] }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        RankGrid.ranks(site.shape) {
            Tucker.cost(shape: site.shape, kernel: Self.kernel, ranks: [$0, $0, 1, 1], precision: precision).parameters
        }.map { Candidate(family: family.name, options: ["rank": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        Tucker.cost(shape: shape, kernel: Self.kernel, ranks: Self.ranks(candidate), precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let rank = candidate["rank"]
        let one = Factor([1], shape: [1, 1], precision: precision)
        return Tucker(
            output: generator.factor([shape.rows, rank], inner: rank, precision),
            core: generator.factor([rank, rank, 1, 1], inner: rank, precision),
            input: generator.factor([rank, shape.columns], inner: shape.columns, precision), vertical: one,
            horizontal: one)
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try TuckerFitter(ranks: Self.ranks(candidate)).fitAny(context, size: .parameters(.max))
    }
}
