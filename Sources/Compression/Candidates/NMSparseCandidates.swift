import Fitting
import Foundation
import StructuredMatrices
import Tensors
import Transformers

/// A quarter to three quarters of the weights in groups of 4, 8 and 16 where they divide the columns; only where asked for,
/// as the weights kept are not adjusted to those that go.
public struct NMSparseCandidates: CandidateSource {
    private static let forms = [(4, 16), (6, 16), (2, 4), (4, 8), (8, 16), (10, 16), (12, 16)]

    public init() {}

    public var family: Family { NMSparse.family }
    public var optionNames: Set<String> { ["kept", "group"] }
    public var isDefault: Bool { false }

    public func serves(_ quantity: Budget.Quantity) -> Bool { true }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        Self.forms.filter { site.shape.columns % $0.1 == 0 }
            .map { Candidate(family: family.name, options: ["kept": $0.0, "group": $0.1]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        NMSparse.cost(
            shape: shape, kept: candidate["kept"], group: max(1, candidate["group"]), precision: precision)
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        func fitted<Method: PruningMethod>(_ method: Method) throws -> AnyFit {
            let start = Date()
            defer { print("NMFIT", Method.name, context.site.shape, Date().timeIntervalSince(start)) }
            return try NMSparseFitter(kept: candidate["kept"], group: candidate["group"], pruning: method).fitAny(
                context.weight, objective: context.objective, size: .fraction(1), context: context.fit)
        }
        switch ProcessInfo.processInfo.environment["NMFIT"] ?? "" {
        case "magnitude": return try fitted(MagnitudePruning())
        case "wanda": return try fitted(WandaPruning())
        case "wanda-refit": return try fitted(RefittedPruning<WandaPruning>())
        case "sparsegpt": return try fitted(SparseGPTPruning())
        case "icbs": return try fitted(CombinatorialPruning())
        default: return try fitted(RefittedPruning<SparseGPTPruning>())
        }
    }
}
