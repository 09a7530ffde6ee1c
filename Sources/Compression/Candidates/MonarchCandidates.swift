import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Monarch with one output group, at ranks from a tenth to three quarters of the dense size.
///
/// One output group lets every input block keep directions of its own, and fitted trained weights better than equal counts
/// on every matrix tried: 16 input blocks for matrices wider than tall, 2 for the others.
public struct MonarchCandidates: CandidateSource {
    private static func blocks(_ shape: MatrixShape) -> Int { shape.columns > shape.rows ? 16 : 2 }

    public init() {}

    public var family: Family { Monarch.family }
    public var optionNames: Set<String> { ["blocks", "rank"] }
    public var sizeOption: String? { "rank" }
    public var isSlow: Bool { true }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let blocks = Self.blocks(site.shape)
        guard site.shape.columns % blocks == 0 else { return [] }
        let perRank = site.shape.columns + blocks * site.shape.rows
        let largest = min(site.shape.count * 3 / 4 / perRank, site.shape.columns / blocks, site.shape.rows)
        var ranks = Set((4...30).map { site.shape.count * $0 / 40 / perRank })
        ranks = ranks.filter { $0 >= 1 && $0 <= largest }
        return ranks.sorted().map { Candidate(family: family.name, options: ["blocks": blocks, "rank": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        let count = candidate["rank"] * (candidate["blocks"] * shape.rows + shape.columns)
        return Cost(parameters: count, storedBytes: count * precision.elementType.byteCount, multiplyAdds: count)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let (blocks, rank) = (candidate["blocks"], candidate["rank"])
        let columns = shape.columns / blocks
        return Monarch(
            right: generator.factor([blocks, rank, columns], inner: columns, precision),
            left: generator.factor([1, shape.rows, blocks * rank], inner: blocks * rank, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try MonarchFitter(inputBlocks: candidate["blocks"], outputGroups: 1).fitAny(
            context, size: .parameters(cost(of: candidate, at: context).parameters))
    }
}
