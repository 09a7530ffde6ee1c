import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// BlockDense with 4 blocks, from 15 % to 75 % of the dense size; only where asked for.
public struct BlockDenseCandidates: CandidateSource {
    private static let blocks = 4

    public init() {}

    public var family: Family { BlockDense.family }
    public var optionNames: Set<String> { ["blocks", "rank"] }
    public var sizeOption: String? { "rank" }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let blocks = Self.blocks
        guard site.shape.columns % blocks == 0 else { return [] }
        return stride(from: 150, through: 750, by: 100).compactMap { thousandths in
            let perRank = site.shape.rows + site.shape.columns / blocks
            let rank = site.shape.count * thousandths / 1000 / perRank / blocks * blocks
            return rank < blocks ? nil : Candidate(family: family.name, options: ["blocks": blocks, "rank": rank])
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        let count = candidate["rank"] * (shape.rows + shape.columns / max(1, candidate["blocks"]))
        return Cost(parameters: count, storedBytes: count * precision.elementType.byteCount, multiplyAdds: count)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let (blocks, rank) = (candidate["blocks"], candidate["rank"])
        let columns = shape.columns / blocks
        return BlockDense(
            first: generator.factor([blocks, rank / blocks, columns], inner: columns, precision),
            second: generator.factor([shape.rows, rank], inner: rank, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try BlockDenseFitter(blocks: candidate["blocks"])
            .fitAny(context, size: .parameters(cost(of: candidate, at: context).parameters))
    }
}
