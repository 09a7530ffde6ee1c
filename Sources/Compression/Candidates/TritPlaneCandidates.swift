import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// One to three ternary planes in groups of 64 and 128.
public struct TritPlaneCandidates: CandidateSource {
    public init() {}

    public var family: Family { TritPlanes.family }
    public var optionNames: Set<String> { ["planes", "groupSize"] }

    /// Every plane multiplies once for each weight, but fewer bytes of them are read.
    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity != .multiplyAdds }

    /// Integers of the same bytes are closer to most weights.
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        (1...3).flatMap { planes in
            [128, 64].map { Candidate(family: family.name, options: ["planes": planes, "groupSize": $0]) }
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        TritPlanes.cost(
            shape: shape, planes: min(4, max(1, candidate["planes"])), groupSize: max(1, candidate["groupSize"]))
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return try generator.tritPlanes(
            shape, planes: candidate["planes"], groupSize: max(1, candidate["groupSize"]))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try TritPlaneFitter(planes: candidate["planes"], groupSize: candidate["groupSize"])
            .fitAny(context, size: .storedBytes(cost(of: candidate, at: context).storedBytes))
    }
}
