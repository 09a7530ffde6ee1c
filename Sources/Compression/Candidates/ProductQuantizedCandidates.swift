import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Product quantization of embedding tables, 256 centroids for each sub-space, at a grid of sub-spaces. Only where asked for:
/// along principal axes (`RotatedProductCandidates`) it does better at nearly the same size.
public struct ProductQuantizedCandidates: CandidateSource {
    static let bits = 8

    public init() {}

    public var family: Family { ProductQuantized.family }
    public var optionNames: Set<String> { ["bits", "subspaces"] }
    public var isDefault: Bool { false }

    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity == .bytes }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        guard site.role == .embedding else { return [] }
        return TableGrid.subspaces(columns: site.shape.columns).map {
            Candidate(family: name, options: ["bits": Self.bits, "subspaces": $0])
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        ProductQuantizationFitter.cost(
            shape: shape, subspaces: candidate["subspaces"], bits: TableGrid.bits(candidate), precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return try generator.productQuantized(
            shape, subspaces: candidate["subspaces"], bits: TableGrid.bits(candidate), precision)
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try ProductQuantizationFitter(subspaces: candidate["subspaces"], bits: TableGrid.bits(candidate))
            .fitAny(context, size: .storedBytes(.max))
    }
}

/// What the sources for embedding tables share.
enum TableGrid {
    /// Numbers of sub-spaces, from a third of a bit a weight with codes of 8 bits to almost seven.
    static func subspaces(columns: Int) -> [Int] {
        var found: [Int] = []
        for part in [2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40] where columns * part / 48 >= 1 && columns * part / 48 != found.last {
            found.append(columns * part / 48)
        }
        return found.isEmpty && columns > 0 ? [1] : found
    }

    /// Bits of a code, bounded: a plan may have been written by hand.
    static func bits(_ candidate: Candidate) -> Int { min(16, max(1, candidate["bits"])) }
}

extension SeededGenerator {
    /// Random codes and centroids.
    mutating func productQuantized(
        _ shape: MatrixShape, subspaces: Int, bits: Int, _ precision: Precision
    ) throws -> ProductQuantized {
        let count = ProductQuantizationFitter.centroids(bits: bits, rows: shape.rows)
        return try ProductQuantized(
            codes: (0..<shape.rows * subspaces).map { _ in UInt16(Int.random(in: 0..<count, using: &self)) },
            starts: (0..<subspaces).map { $0 * shape.columns / subspaces },
            centroids: factor([count, shape.columns], inner: shape.columns, precision), rows: shape.rows)
    }
}
