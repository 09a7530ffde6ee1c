import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Low-rank at a grid of ranks, all from one decomposition of the (whitened) weight.
public struct LowRankCandidates: CandidateSource {
    public init() {}

    public var family: Family { LowRank.family }
    public var optionNames: Set<String> { ["rank"] }
    public var sizeOption: String? { "rank" }
    public var sharesWork: Bool { true }

    /// The weight in `Float`; in `Double` at most the whitened weight with its decomposition and LAPACK's workspace, or the
    /// weight, its product with one Gram matrix, and both factors.
    public func workingBytes(_ shape: MatrixShape, isWeighted: Bool) -> Int {
        let (count, least) = (shape.count, min(shape.rows, shape.columns))
        let decomposing = count + least * (shape.rows + shape.columns) + 5 * least * least
        let judging = 3 * count + least * shape.rows + (isWeighted ? shape.columns * shape.columns : 0)
        return 4 * count + 8 * max(decomposing, judging) + (32 << 20)
    }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let perRank = site.shape.rows + site.shape.columns
        let dense = site.shape.count
        // Sixty-fourths of the dense size, ranks rounded to the vector width where there is room for it.
        var ranks: [Int] = []
        for part in 4...62 {
            var rank = dense * part / (64 * perRank)
            if rank >= 32 { rank -= rank % 4 }
            if rank >= 1, rank * perRank < dense, ranks.last != rank { ranks.append(rank) }
        }
        return ranks.map { Candidate(family: family.name, options: ["rank": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        let count = candidate["rank"] * (shape.rows + shape.columns)
        return Cost(parameters: count, storedBytes: count * precision.elementType.byteCount, multiplyAdds: count)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let rank = candidate["rank"]
        return LowRank(
            u: generator.factor([shape.rows, rank], inner: rank, precision),
            v: generator.factor([rank, shape.columns], inner: shape.columns, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        let factorisation = try context.lowRankFactorisation()
        let matrix = factorisation.matrix(rank: candidate["rank"], precision: context.fit.precision)
        let error = try context.objective.error(of: matrix.dense(), for: context.weight, name: context.site.name)
        return AnyFit(matrix: matrix, relativeError: error, trace: [error])
    }

    /// One decomposition gives the errors of all ranks, and no factor is formed here; what rounding to the stored precision
    /// adds is measured when the chosen rank is fitted.
    public func assess(
        _ candidates: [Candidate], _ context: CandidateContext, fitted: (Candidate, AnyFit) -> Void
    ) throws -> [AssessedCandidate] {
        let factorisation = try context.lowRankFactorisation()
        let errors = try factorisation.relativeErrors(
            ranks: candidates.map { $0["rank"] }, of: context.weight, under: context.assessment)
        return zip(candidates, errors).map { candidate, error in
            AssessedCandidate(
                candidate: candidate,
                cost: cost(of: candidate, shape: context.site.shape, precision: context.fit.precision), relativeError: error)
        }
    }
}
