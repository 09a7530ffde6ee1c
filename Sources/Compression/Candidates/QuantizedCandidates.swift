import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Group-wise integers of 2 to 6 and 8 bits in groups of 32, 64 and 128.
public struct QuantizedCandidates: CandidateSource {
    public init() {}

    public var family: Family { Quantized.family }
    public var optionNames: Set<String> { ["bits", "groupSize"] }

    /// Integers still multiply once for each weight, but fewer bytes of them are read.
    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity != .multiplyAdds }

    /// The weight in `Float`, codes four times; with Gram matrices, two at a time in `Double`, and rows of the error.
    public func workingBytes(_ shape: MatrixShape, isWeighted: Bool) -> Int {
        let square = isWeighted ? shape.columns * shape.columns : 0
        let rows = min(shape.rows, 1024)
        return 8 * shape.count + max(16 * square, 8 * square + 24 * rows * shape.columns, 12 * square + (32 << 20))
    }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        Quantized.supportedBits.flatMap { bits in
            [128, 64, 32].map { Candidate(family: family.name, options: ["bits": bits, "groupSize": $0]) }
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        Quantized.cost(shape: shape, bits: candidate["bits"], groupSize: max(1, candidate["groupSize"]))
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let (bits, groupSize) = (candidate["bits"], candidate["groupSize"])
        let range = Quantized.range(bits: bits)
        let scale = 1 / (Float(range.count) * Float(shape.columns).squareRoot())
        let codes = generator.uniform(shape.count).map { number in
            Int8(truncatingIfNeeded: Int((number * Float(range.upperBound)).rounded()))
        }
        let groups = (shape.columns + groupSize - 1) / groupSize
        return try Quantized(
            codes: codes, scales: [Float](repeating: scale, count: shape.rows * groups), shape: shape, bits: bits,
            groupSize: groupSize)
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        // Descent has next to nothing left to gain with 8 bits.
        let rounds = candidate["bits"] < 8 ? 10 : 0
        return try QuantizedFitter(bits: candidate["bits"], groupSize: candidate["groupSize"], rounds: rounds)
            .fitAny(context, size: .fraction(1))
    }
}
