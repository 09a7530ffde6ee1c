import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Sparse codes times a dense dictionary, half of the atoms of every group of 16 used by each row (DSFormer's form, which
/// fast kernels read). Only where asked for.
public struct DictionaryCandidates: CandidateSource {
    private static let (kept, group) = (8, 16)

    public init() {}

    public var family: Family { MatrixProduct.family }
    public var name: String { "dictionary" }
    public var optionNames: Set<String> { ["atoms"] }
    public var sizeOption: String? { "atoms" }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let most = min(site.shape.rows, site.shape.columns) / Self.group
        var groups: [Int] = []
        for part in 1...8 where most * part / 8 >= 1 && most * part / 8 != groups.last { groups.append(most * part / 8) }
        return groups.map { Candidate(family: name, options: ["atoms": $0 * Self.group]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        let codes = MatrixShape(rows: shape.rows, columns: candidate["atoms"])
        return NMSparse.cost(shape: codes, kept: Self.kept, group: Self.group, precision: precision)
            + .factors(candidate["atoms"] * shape.columns, precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let atoms = candidate["atoms"]
        return try MatrixProduct([
            generator.groups(
                MatrixShape(rows: shape.rows, columns: atoms), kept: Self.kept, group: Self.group, precision),
            Dense(generator.factor([atoms, shape.columns], inner: shape.columns, precision)),
        ])
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try DSFormerFitter(group: Self.group, kept: Self.kept)
            .fitAny(context, size: .parameters(cost(of: candidate, at: context).parameters))
    }
}
