import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Group-wise integers of 2 to 4 bits with zero points, in groups of 32, 64 and 128. With more bits zero points gain less
/// than the bytes they take.
public struct AsymmetricQuantizedCandidates: CandidateSource {
    public init() {}

    public var family: Family { AsymmetricQuantized.family }
    public var optionNames: Set<String> { ["bits", "groupSize"] }

    /// Integers still multiply once for each weight, but fewer bytes of them are read.
    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity != .multiplyAdds }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        [2, 3, 4].flatMap { bits in
            [128, 64, 32].map { Candidate(family: family.name, options: ["bits": bits, "groupSize": $0]) }
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        AsymmetricQuantized.cost(shape: shape, bits: candidate["bits"], groupSize: max(1, candidate["groupSize"]))
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return try generator.asymmetricQuantized(
            shape, bits: candidate["bits"], groupSize: max(1, candidate["groupSize"]))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try AsymmetricQuantizedFitter(bits: candidate["bits"], groupSize: candidate["groupSize"])
            .fitAny(context, size: .storedBytes(cost(of: candidate, at: context).storedBytes))
    }
}
