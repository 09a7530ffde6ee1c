import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Product quantization of embedding tables along the principal axes of their rows, uniformly or finer for a share of the rows:
/// those that weigh most by the objective, which for a table means the frequent ones.
public struct RotatedProductCandidates: CandidateSource {
    public init() {}

    public var family: Family { MatrixProduct.family }
    public var name: String { "rotated-product-quantized" }
    /// `top`: sub-spaces of the rows that weigh most, `share` of them in 64ths; 64 stands for all rows alike.
    public var optionNames: Set<String> { ["bits", "share", "subspaces", "top"] }
    public var sharesWork: Bool { true }

    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity == .bytes }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        guard site.role == .embedding else { return [] }
        let columns = site.shape.columns
        func candidate(_ bits: Int, _ subspaces: Int, _ top: Int, _ share: Int) -> Candidate {
            Candidate(family: name, options: ["bits": bits, "subspaces": subspaces, "top": top, "share": share])
        }
        let all = TableGrid.subspaces(columns: columns)
        // Centroids are stored beside the codes, twice where rows differ, so few of them do better at few bits a number. With 256
        // they would be a quarter of a bit for each number of a vocabulary of 30,000.
        return [(6, all.filter { 3 * $0 <= columns }), (7, all.filter { 6 * $0 >= columns })].flatMap { bits, grid in
            grid.map { candidate(bits, $0, $0, RotatedProductFitter.shares) }
                + grid.flatMap { top in
                    grid.filter { $0 < top && 6 * $0 >= top }.flatMap { low in [2, 4, 8, 16, 32].map { candidate(bits, low, top, $0) } }
                }
        }
    }

    private func isUniform(_ candidate: Candidate) -> Bool { candidate["share"] >= RotatedProductFitter.shares }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        RotatedProductFitter.cost(
            shape: shape, subspaces: candidate["subspaces"],
            topSubspaces: isUniform(candidate) ? nil : candidate["top"], share: candidate["share"],
            bits: TableGrid.bits(candidate), precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return try RotatedProductFitter.specimen(
            shape, subspaces: candidate["subspaces"], topSubspaces: isUniform(candidate) ? nil : candidate["top"],
            share: candidate["share"], bits: TableGrid.bits(candidate), codes: { rows, subspaces in
                try generator.productQuantized(
                    MatrixShape(rows: rows, columns: shape.columns), subspaces: subspaces, bits: TableGrid.bits(candidate),
                    precision)
            },
            basis: { bits, groupSize in
                try QuantizedCandidates().specimen(
                    Candidate(family: Quantized.family.name, options: ["bits": bits, "groupSize": groupSize]),
                    shape: MatrixShape(rows: shape.columns, columns: shape.columns), precision: precision)
            })
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try RotatedProductFitter(
            subspaces: candidate["subspaces"], topSubspaces: isUniform(candidate) ? nil : candidate["top"],
            share: candidate["share"], bits: TableGrid.bits(candidate)
        ).fitAny(context, size: .storedBytes(.max))
    }

    /// Every number of sub-spaces is fitted once to all rows; the error of a candidate is the sum over its rows of what each
    /// would contribute there. Centroids of a block alone will do a little better.
    public func assess(
        _ candidates: [Candidate], _ context: CandidateContext, fitted: (Candidate, AnyFit) -> Void
    ) throws -> [AssessedCandidate] {
        let turned = try RotatedRows(context.weight, objective: context.objective, context: context.fit)
        let total = context.assessment.squaredNorm(of: context.weight)
        var known: [[Int]: [Double]] = [:]
        func errors(_ subspaces: Int, _ bits: Int) throws -> [Double] {
            if let found = known[[subspaces, bits]] { return found }
            let found = try turned.rowErrors(
                subspaces: subspaces, bits: bits, of: context.weight, under: context.assessment)
            known[[subspaces, bits]] = found
            return found
        }
        return try candidates.map { candidate in
            let bits = TableGrid.bits(candidate)
            let low = try errors(candidate["subspaces"], bits)
            var sum = 0.0
            let top = isUniform(candidate) ? 0 : RotatedProductFitter.topRows(candidate["share"], of: low.count)
            let high = top > 0 ? try errors(candidate["top"], bits) : low
            for (place, row) in turned.order.enumerated() { sum += place < top ? high[row] : low[row] }
            return AssessedCandidate(
                candidate: candidate,
                cost: cost(of: candidate, shape: context.site.shape, precision: context.fit.precision),
                relativeError: total > 0 ? sum / total : 0)
        }
    }
}
