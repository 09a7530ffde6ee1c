import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// A quarter to three quarters of the weights in groups of 4, 8 and 16 where they divide the columns.
///
/// At half of the multiply-adds no family so far keeps more of a trained matrix; in bytes integers do, so that there it is only
/// tried where asked for.
public struct NMSparseCandidates: CandidateSource {
    private static let forms = [(4, 16), (6, 16), (2, 4), (4, 8), (8, 16), (10, 16), (12, 16)]
    /// Wider matrices are fitted without exact refits, whose work grows with columns^3 for every row.
    private static let widestRefit = 2048

    public init() {}

    public var family: Family { NMSparse.family }
    public var optionNames: Set<String> { ["kept", "group"] }

    public func serves(_ quantity: Budget.Quantity) -> Bool { true }
    public func isDefault(for quantity: Budget.Quantity) -> Bool { quantity != .bytes }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        Self.forms.filter { site.shape.columns % $0.1 == 0 }
            .map { Candidate(family: family.name, options: ["kept": $0.0, "group": $0.1]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        NMSparse.cost(
            shape: shape, kept: candidate["kept"], group: max(1, candidate["group"]), precision: precision)
    }

    /// Refitted to the inputs, with the mask bettered; the largest weights where inputs do not count.
    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        if context.site.shape.columns > Self.widestRefit { return try fit(candidate, context, SparseGPTPruning()) }
        return try fit(candidate, context, CombinatorialPruning())
    }

    /// One sweep tells the sizes apart; the refit of the chosen one only lowers its error.
    public func assess(_ candidates: [Candidate], _ context: CandidateContext) throws -> [AssessedCandidate] {
        try candidates.map { candidate in
            let fit = try context.assessed(fit(candidate, context, SparseGPTPruning()))
            return AssessedCandidate(candidate: candidate, cost: fit.matrix.cost, relativeError: fit.relativeError)
        }
    }

    private func fit<Method: PruningMethod>(
        _ candidate: Candidate, _ context: CandidateContext, _ method: Method
    ) throws -> AnyFit {
        try NMSparseFitter(kept: candidate["kept"], group: candidate["group"], pruning: method).fitAny(
            context.weight, objective: context.objective, size: .fraction(1), context: context.fit)
    }
}
