import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// A fifth to three quarters of the weights in the widest groups that divide the columns (of groups with as many kept they hold
/// the others, so they are closer), and 2:4, which is faster in some batches.
///
/// At half of the multiply-adds no family so far keeps more of a trained matrix; in bytes integers do, so that there it is only
/// tried where asked for.
public struct NMSparseCandidates: CandidateSource {
    private static let forms: [(group: Int, kept: ClosedRange<Int>)] = [(16, 3...12), (8, 2...6), (4, 1...3)]
    /// Wider matrices are fitted without exact refits, whose work grows with columns^3 for every row.
    private static let widestRefit = 2048

    public init() {}

    public var family: Family { NMSparse.family }
    public var optionNames: Set<String> { ["kept", "group"] }
    public var followsLowRank: Bool { false }

    public func isDefault(for quantity: Budget.Quantity, inBatches: Bool) -> Bool { quantity != .bytes }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        guard let (group, kept) = Self.forms.first(where: { site.shape.columns % $0.group == 0 }) else { return [] }
        return (kept.map { ($0, group) } + (group == 4 ? [] : [(2, 4)])).map {
            Candidate(family: family.name, options: ["kept": $0, "group": $1])
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        NMSparse.cost(
            shape: shape, kept: candidate["kept"], group: max(1, candidate["group"]), precision: precision)
    }

    public var polishes: Bool { true }

    /// Refitted to the inputs; the largest weights where inputs do not count.
    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        if context.site.shape.columns > Self.widestRefit { return try fit(candidate, context, SparseGPTPruning()) }
        return try fit(candidate, context, RefittedPruning(SparseGPTPruning()))
    }

    /// With the mask bettered too, which takes twice as long again.
    public func polished(
        _ candidate: Candidate, from start: () throws -> AnyFit, _ context: CandidateContext
    ) throws -> AnyFit {
        let start = try start()
        guard context.site.shape.columns <= Self.widestRefit, let sparse = start.matrix as? NMSparse else { return start }
        var pruning = CombinatorialPruning()
        pruning.start = PrunedWeight(sparse)
        return try fit(candidate, context, pruning)
    }

    /// One sweep tells the sizes apart; the refit of the chosen one only lowers its error.
    public func assess(
        _ candidates: [Candidate], _ context: CandidateContext, fitted: (Candidate, AnyFit) -> Void
    ) throws -> [AssessedCandidate] {
        try candidates.map { candidate in
            let fit = try context.assessed(fit(candidate, context, SparseGPTPruning()))
            return AssessedCandidate(fit, as: candidate)
        }
    }

    private func fit<Method: PruningMethod>(
        _ candidate: Candidate, _ context: CandidateContext, _ method: Method
    ) throws -> AnyFit {
        try NMSparseFitter(kept: candidate["kept"], group: candidate["group"], pruning: method)
            .fitAny(context, size: .fraction(1))
    }
}
