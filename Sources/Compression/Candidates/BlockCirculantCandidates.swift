import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Block-circulant with blocks of 2 to 16; as many multiply-adds as dense, so it serves bytes.
public struct BlockCirculantCandidates: CandidateSource {
    public init() {}

    public var family: Family { BlockCirculant.family }
    public var optionNames: Set<String> { ["block"] }
    public var isDefault: Bool { false }

    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity == .bytes }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        [16, 8, 4, 2].filter { site.shape.rows % $0 == 0 && site.shape.columns % $0 == 0 }
            .map { Candidate(family: family.name, options: ["block": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        BlockCirculant.cost(shape: shape, block: candidate["block"], precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let block = candidate["block"]
        return BlockCirculant(
            cycles: generator.factor(
                [shape.rows / block, shape.columns / block, block], inner: shape.columns, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try BlockCirculantFitter(block: candidate["block"]).fitAny(context, size: .parameters(.max))
    }
}
