import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// A tenth to eight tenths of the inputs of every 8 or 16 outputs. Only where asked for: at equal counts N:M keeps more of
/// trained weights, though these products are faster.
public struct GroupSparseCandidates: CandidateSource {
    private static let tiles = [8, 16]

    public init() {}

    public var family: Family { GroupSparse.family }
    public var optionNames: Set<String> { ["tile", "kept"] }
    public var followsLowRank: Bool { false }
    public var sizeOption: String? { "kept" }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        Self.tiles.filter { $0 <= site.shape.rows }.flatMap { tile in
            stride(from: 10, through: 80, by: 10).compactMap { percent in
                let kept = site.shape.columns * percent / 100
                return kept < 1 ? nil : Candidate(family: family.name, options: ["tile": tile, "kept": kept])
            }
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        GroupSparse.cost(shape: shape, kept: candidate["kept"], tile: max(1, candidate["tile"]), precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let (kept, tile) = (min(candidate["kept"], shape.columns), max(1, candidate["tile"]))
        let columns = (0..<(shape.rows + tile - 1) / tile).flatMap { _ in
            (0..<UInt32(shape.columns)).shuffled(using: &generator).prefix(kept).sorted()
        }
        return try GroupSparse(
            values: generator.factor([shape.rows * kept], inner: kept, precision).values, columns: columns, shape: shape,
            kept: kept, tile: tile, precision: precision)
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try GroupSparseFitter<RefittedPruning<SparseGPTPruning>>(kept: candidate["kept"], tile: candidate["tile"])
            .fitAny(context, size: .fraction(1))
    }
}
