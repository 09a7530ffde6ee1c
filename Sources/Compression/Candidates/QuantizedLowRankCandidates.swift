import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Small integers + low-rank (LQ-LoRA, whose first pair is EoRA's) at a grid of bits and ranks. Only where asked for.
public struct QuantizedLowRankCandidates: CandidateSource {
    private static let groupSize = 64

    public init() {}

    public var family: Family { MatrixSum.family }
    public var name: String { "quantized-low-rank" }
    public var optionNames: Set<String> { ["bits", "groupSize", "rank"] }
    public var sizeOption: String? { "rank" }
    public var isSlow: Bool { true }
    public var followsLowRank: Bool { false }
    public var isDefault: Bool { false }

    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity == .bytes }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let most = min(site.shape.rows, site.shape.columns)
        return [2, 3, 4].flatMap { bits in
            [most / 48, most / 24, most / 12].filter { $0 >= 1 }.map {
                Candidate(family: name, options: ["bits": bits, "groupSize": Self.groupSize, "rank": $0])
            }
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        .lowRank(candidate["rank"], shape: shape, precision: precision)
            + Quantized.cost(shape: shape, bits: candidate["bits"], groupSize: max(1, candidate["groupSize"]))
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        let quantized = Candidate(
            family: Quantized.family.name, options: ["bits": candidate["bits"], "groupSize": candidate["groupSize"]])
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return try MatrixSum([
            QuantizedCandidates().specimen(quantized, shape: shape, precision: precision),
            generator.lowRank(shape, rank: candidate["rank"], precision),
        ])
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        let quantizer = QuantizedFitter(bits: candidate["bits"], groupSize: candidate["groupSize"])
        return try LQLoRAFitter(quantizer: quantizer, rank: candidate["rank"])
            .fitAny(context, size: .storedBytes(.max))
    }
}
