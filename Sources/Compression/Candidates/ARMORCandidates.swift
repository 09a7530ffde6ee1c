import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// N:M sparse matrices between block-diagonal ones. Only where asked for.
public struct ARMORCandidates: CandidateSource {
    private static let forms = [(1, 4), (2, 4), (3, 4)]
    private static let sizes = [16, 32]

    public init() {}

    public var family: Family { MatrixProduct.family }
    public var name: String { "armor" }
    public var optionNames: Set<String> { ["kept", "group", "block"] }
    public var isSlow: Bool { true }
    public var followsLowRank: Bool { false }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        Self.forms.filter { site.shape.columns % $0.1 == 0 }.flatMap { kept, group in
            Self.sizes.filter { 4 * $0 <= min(site.shape.rows, site.shape.columns) || $0 == Self.sizes[0] }.map {
                Candidate(family: name, options: ["kept": kept, "group": group, "block": $0])
            }
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        ARMORFitter.wrapperCost(shape: shape, blockSize: candidate["block"], precision: precision)
            + NMSparse.cost(shape: shape, kept: candidate["kept"], group: max(1, candidate["group"]), precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let limit = candidate["block"]
        let left = ARMORFitter.divisor(of: shape.rows, upTo: limit)
        let right = ARMORFitter.divisor(of: shape.columns, upTo: limit)
        return try MatrixProduct([
            BlockDiagonal(blocks: generator.factor([shape.rows / left, left, left], inner: left, precision)),
            generator.groups(shape, kept: candidate["kept"], group: candidate["group"], precision),
            BlockDiagonal(blocks: generator.factor([shape.columns / right, right, right], inner: right, precision)),
        ])
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        let pruner = NMSparseFitter<RefittedPruning<SparseGPTPruning>>(kept: candidate["kept"], group: candidate["group"])
        return try ARMORFitter(pruner: pruner, blockSize: candidate["block"])
            .fitAny(context, size: .storedBytes(.max))
    }
}
