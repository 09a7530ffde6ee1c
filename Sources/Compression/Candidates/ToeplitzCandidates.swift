import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Toeplitz: one candidate, of hardly any bytes and all the multiply-adds.
public struct ToeplitzCandidates: CandidateSource {
    public init() {}

    public var family: Family { Toeplitz.family }
    public var optionNames: Set<String> { [] }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }

    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity == .bytes }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        [Candidate(family: family.name)]
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        Toeplitz.cost(shape: shape, precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return Toeplitz(
            diagonals: generator.factor([shape.rows + shape.columns - 1], inner: shape.columns, precision), shape: shape)
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try ToeplitzFitter().fitAny(context, size: .parameters(.max))
    }
}
