import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Embedding tables whose like rows share one, at a grid of numbers of shared rows in 4 bits. Only where asked for.
public struct SharedRowsCandidates: CandidateSource {
    private static let groupSize = 64

    public init() {}

    public var family: Family { SharedRows.family }
    public var optionNames: Set<String> { ["bits", "shared"] }
    public var isDefault: Bool { false }

    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity == .bytes }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        guard site.role == .embedding else { return [] }
        return [32, 16, 8, 4].compactMap { part in
            let shared = min(site.shape.rows / part, 1 << 13)
            return shared >= 1 ? Candidate(family: name, options: ["bits": 4, "shared": shared]) : nil
        }
    }

    private func rows(_ candidate: Candidate, _ shape: MatrixShape) -> Int {
        max(1, min(candidate["shared"], shape.rows, ProductQuantized.mostCentroids))
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        RowSharingFitter.cost(
            shape: shape, rows: rows(candidate, shape), bits: candidate["bits"], groupSize: Self.groupSize)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let shared = rows(candidate, shape)
        let table = try QuantizedCandidates().specimen(
            Candidate(family: Quantized.family.name, options: ["bits": candidate["bits"], "groupSize": Self.groupSize]),
            shape: MatrixShape(rows: shared, columns: shape.columns), precision: precision)
        return try SharedRows(table, rows: (0..<shape.rows).map { _ in generator.nextInteger(below: shared) })
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try RowSharingFitter(
            rows: rows(candidate, context.site.shape), bits: candidate["bits"], groupSize: Self.groupSize
        ).fitAny(context, size: .storedBytes(.max))
    }
}
