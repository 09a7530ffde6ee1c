import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Block-diagonal with 2, 4 and 8 blocks where they divide the shape.
public struct BlockDiagonalCandidates: CandidateSource {
    public init() {}

    public var family: Family { BlockDiagonal.family }
    public var optionNames: Set<String> { ["blocks"] }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        [8, 4, 2].filter { site.shape.rows % $0 == 0 && site.shape.columns % $0 == 0 }
            .map { Candidate(family: family.name, options: ["blocks": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        let count = shape.count / max(1, candidate["blocks"])
        return Cost(parameters: count, storedBytes: count * precision.elementType.byteCount, multiplyAdds: count)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let blocks = candidate["blocks"]
        let (rows, columns) = (shape.rows / blocks, shape.columns / blocks)
        return BlockDiagonal(blocks: generator.factor([blocks, rows, columns], inner: columns, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try BlockDiagonalFitter(blocks: candidate["blocks"]).fitAny(context, size: .fraction(1))
    }
}
