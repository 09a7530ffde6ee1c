import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Low-rank with factors in 4 or 8 bits at a grid of ranks. Only where asked for.
public struct QuantizedFactorsCandidates: CandidateSource {
    private static let groupSize = 32

    public init() {}

    public var family: Family { MatrixProduct.family }
    public var name: String { "quantized-factors" }
    public var optionNames: Set<String> { ["bits", "groupSize", "rank"] }
    public var sizeOption: String? { "rank" }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let most = min(site.shape.rows, site.shape.columns)
        var ranks: [Int] = []
        for part in 1...6 where most * part / 8 >= 1 && most * part / 8 != ranks.last { ranks.append(most * part / 8) }
        return [4, 8].flatMap { bits in
            ranks.map { Candidate(family: name, options: ["bits": bits, "groupSize": Self.groupSize, "rank": $0]) }
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        QuantizedFactorsFitter.cost(
            shape: shape, rank: candidate["rank"], bits: candidate["bits"], groupSize: max(1, candidate["groupSize"]))
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        let quantized = Candidate(
            family: Quantized.family.name, options: ["bits": candidate["bits"], "groupSize": candidate["groupSize"]])
        let rank = candidate["rank"]
        return try MatrixProduct([
            QuantizedCandidates().specimen(
                quantized, shape: MatrixShape(rows: shape.rows, columns: rank), precision: precision),
            QuantizedCandidates().specimen(
                quantized, shape: MatrixShape(rows: rank, columns: shape.columns), precision: precision),
        ])
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try QuantizedFactorsFitter(bits: candidate["bits"], groupSize: candidate["groupSize"], rank: candidate["rank"])
            .fitAny(context, size: .storedBytes(.max))
    }
}
