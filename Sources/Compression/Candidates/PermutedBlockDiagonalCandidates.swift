import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Co-clustered block-diagonal with 2, 4 and 8 blocks where they divide the shape.
public struct PermutedBlockDiagonalCandidates: CandidateSource {
    public init() {}

    public var family: Family { PermutedBlockDiagonal.family }
    public var optionNames: Set<String> { ["blocks"] }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        [8, 4, 2].filter { site.shape.rows % $0 == 0 && site.shape.columns % $0 == 0 }
            .map { Candidate(family: family.name, options: ["blocks": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        PermutedBlockDiagonal.cost(shape: shape, blocks: candidate["blocks"], precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let blocks = candidate["blocks"]
        let (rows, columns) = (shape.rows / blocks, shape.columns / blocks)
        return PermutedBlockDiagonal(
            blocks: generator.factor([blocks, rows, columns], inner: columns, precision),
            rowOrder: .random(shape.rows, using: &generator), columnOrder: .random(shape.columns, using: &generator))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try PermutedBlockDiagonalFitter(blocks: candidate["blocks"]).fitAny(context, size: .parameters(.max))
    }
}
