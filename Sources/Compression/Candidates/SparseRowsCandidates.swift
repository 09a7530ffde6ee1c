import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// A twentieth to six tenths of the weights wherever they are. Only where asked for: one row at a time, as text is generated,
/// products with compressed rows are slower than dense ones above about a quarter, and below it the error is large.
public struct SparseRowsCandidates: CandidateSource {
    public init() {}

    public var family: Family { CompressedSparseRows.family }
    public var optionNames: Set<String> { ["percent"] }
    public var followsLowRank: Bool { false }
    public var isDefault: Bool { false }

    private func entries(_ candidate: Candidate, _ shape: MatrixShape) -> Int {
        shape.count / 100 * candidate["percent"] + shape.count % 100 * candidate["percent"] / 100
    }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        stride(from: 5, through: 60, by: 5)
            .map { Candidate(family: family.name, options: ["percent": $0]) }
            .filter { entries($0, site.shape) > 0 }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        CompressedSparseRows.cost(shape: shape, entries: entries(candidate, shape), precision: precision)
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try SparseRowsFitter<RefittedPruning<SparseGPTPruning>>(entries: entries(candidate, context.site.shape))
            .fitAny(context, size: .parameters(context.site.shape.count))
    }
}
