import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// N:M sparse + low-rank, found together, at a grid of forms and ranks. Only where asked for.
public struct NMLowRankCandidates: CandidateSource {
    private static let forms = [(2, 8), (4, 16), (2, 4), (8, 16)]

    public init() {}

    public var family: Family { MatrixSum.family }
    public var name: String { "nm-low-rank" }
    public var optionNames: Set<String> { ["kept", "group", "rank"] }
    public var isSlow: Bool { true }
    public var followsLowRank: Bool { false }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let most = min(site.shape.rows, site.shape.columns)
        return Self.forms.filter { site.shape.columns % $0.1 == 0 }.flatMap { kept, group in
            [most / 24, most / 12].filter { $0 >= 1 }.map {
                Candidate(family: name, options: ["kept": kept, "group": group, "rank": $0])
            }
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        .lowRank(candidate["rank"], shape: shape, precision: precision)
            + NMSparse.cost(shape: shape, kept: candidate["kept"], group: max(1, candidate["group"]), precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return try MatrixSum([
            generator.groups(shape, kept: candidate["kept"], group: candidate["group"], precision),
            generator.lowRank(shape, rank: candidate["rank"], precision),
        ])
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        let pattern = SparseForm.groups(kept: candidate["kept"], of: candidate["group"])
        return try OATSFitter(rank: candidate["rank"], pattern: pattern).fitAny(context, size: .storedBytes(.max))
    }
}
