import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Normal floats in groups of 32, 64 and 128: at 4.13 bits they are as close as integers of 4.38. They multiply as floats, in
/// batches at half the integers' speed and less, so that where time counts they are only tried where asked for.
public struct NormalFloatCandidates: CandidateSource {
    public init() {}

    public var family: Family { NormalFloat.family }
    public var optionNames: Set<String> { ["groupSize"] }
    public func isDefault(for quantity: Budget.Quantity, inBatches: Bool) -> Bool { quantity == .bytes }

    /// Levels still multiply once for each weight, but fewer bytes of them are read.
    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity != .multiplyAdds }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        [128, 64, 32].map { Candidate(family: family.name, options: ["groupSize": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        NormalFloat.cost(shape: shape, groupSize: max(1, candidate["groupSize"]))
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return try generator.normalFloat(shape, groupSize: max(1, candidate["groupSize"]))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try NormalFloatFitter(groupSize: candidate["groupSize"])
            .fitAny(context, size: .storedBytes(cost(of: candidate, at: context).storedBytes))
    }
}
