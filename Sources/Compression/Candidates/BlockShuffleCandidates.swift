import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// BlockShuffle with 3 to 8 blocks where they divide the shape; only where asked for.
public struct BlockShuffleCandidates: CandidateSource {
    public init() {}

    public var family: Family { BlockShuffle.family }
    public var optionNames: Set<String> { ["count"] }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        [8, 6, 4, 3].filter { site.shape.rows % $0 == 0 && site.shape.columns % $0 == 0 }
            .map { Candidate(family: family.name, options: ["count": $0]) }
            .filter { cost(of: $0, shape: site.shape, precision: precision).parameters < site.shape.count }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        let count = min(shape.rows, shape.columns) * (shape.rows + shape.columns) / max(1, candidate["count"])
        return Cost(parameters: count, storedBytes: count * precision.elementType.byteCount, multiplyAdds: count)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let count = candidate["count"]
        let (rows, columns) = (shape.rows / count, shape.columns / count)
        let hidden = min(rows, columns)
        return BlockShuffle(
            first: generator.factor([count, hidden, columns], inner: columns, precision),
            second: generator.factor([count, rows, hidden], inner: hidden, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try BlockShuffleFitter(blocks: candidate["count"])
            .fitAny(context, size: .parameters(cost(of: candidate, at: context).parameters))
    }
}
