import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// BLAST on a grid of sizes from 15 % to 80 % of the dense one.
public struct BLASTCandidates: CandidateSource {
    /// Tried in this order; the first that divides the shape is used. More blocks fit better and apply slower.
    private static let blockCounts = [16, 12, 8, 6, 4, 2]

    public init() {}

    public var family: Family { BLAST.family }
    public var optionNames: Set<String> { ["blocks", "rank"] }
    public var sizeOption: String? { "rank" }
    public var isSlow: Bool { true }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        guard let blocks = Self.blockCounts.first(where: { site.shape.rows % $0 == 0 && site.shape.columns % $0 == 0 })
        else { return [] }
        let perRank = site.shape.rows + site.shape.columns + blocks * blocks
        return stride(from: 150, through: 800, by: 50).compactMap { thousandths in
            let rank = site.shape.count * thousandths / 1000 / perRank
            return rank < 1 ? nil : Candidate(family: family.name, options: ["blocks": blocks, "rank": rank])
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        let blocks = candidate["blocks"]
        let count = candidate["rank"] * (shape.rows + shape.columns + blocks * blocks)
        return Cost(parameters: count, storedBytes: count * precision.elementType.byteCount, multiplyAdds: count)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let (blocks, rank) = (candidate["blocks"], candidate["rank"])
        let (rows, columns) = (shape.rows / blocks, shape.columns / blocks)
        return BLAST(
            u: generator.factor([blocks, rows, rank], inner: rank, precision),
            s: generator.factor([blocks, blocks, rank], inner: blocks, precision),
            v: generator.factor([blocks, columns, rank], inner: columns, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try BLASTFitter(blocks: candidate["blocks"])
            .fitAny(context, size: .parameters(cost(of: candidate, at: context).parameters))
    }
}
