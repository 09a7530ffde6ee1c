import Benchmarking
import Fitting
import LinearAlgebra
import StructuredMatrices
import Tensors
import Transformers

/// Block butterflies of 4 and 16 blocks from a fifth to three quarters of the dense size. Only where asked for.
public struct ButterflyCandidates: CandidateSource {
    private static let blockCounts = [4, 16]

    public init() {}

    public var family: Family { MatrixProduct.family }
    public var name: String { "butterfly" }
    public var optionNames: Set<String> { ["blocks", "rank"] }
    public var sizeOption: String? { "rank" }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let shape = site.shape
        let counts = Self.blockCounts.filter { shape.rows % $0 == 0 && shape.columns % $0 == 0 }
        return counts.flatMap { blocks -> [Candidate] in
            let ranks = 1...max(1, min(shape.rows, shape.columns) / blocks)
            let sizes = ranks.map {
                ButterflyLayout.cost(shape: shape, blocks: blocks, rank: $0, precision: precision).parameters
            }
            let chosen = (4...15).compactMap { part in sizes.lastIndex { $0 <= shape.count * part / 20 } }
            return Set(chosen).sorted().map {
                Candidate(family: name, options: ["blocks": blocks, "rank": ranks.lowerBound + $0])
            }
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        ButterflyLayout.cost(shape: shape, blocks: candidate["blocks"], rank: candidate["rank"], precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let layout = ButterflyLayout(
            shape: shape, blocks: candidate["blocks"], rank: candidate["rank"], precision: precision)
        return try layout.product(
            of: (0..<layout.levels).map { level in
                let block = layout.blockShape(level: level)
                return (0..<layout.blocks / 2).map { _ in
                    generator.factor([block.rows, block.columns], inner: block.columns, precision).matrix.converted()
                }
            })
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try ButterflyFitter(blocks: candidate["blocks"])
            .fitAny(context, size: .parameters(cost(of: candidate, at: context).parameters))
    }
}
