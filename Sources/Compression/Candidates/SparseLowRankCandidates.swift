import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Low-rank + compressed sparse rows at a grid of sizes, a third of the numbers in the low-rank part.
///
/// At half of the multiply-adds no other family is as close to trained matrices. In batches its products are faster than
/// dense ones; with one row of input they are slower, and places take bytes.
public struct SparseLowRankCandidates: CandidateSource {
    public init() {}

    public var family: Family { MatrixSum.family }
    public var name: String { "sparse-low-rank" }
    public var optionNames: Set<String> { ["percent", "rank"] }
    public var isSlow: Bool { true }
    public var polishes: Bool { true }
    public var followsLowRank: Bool { false }
    public func isDefault(for quantity: Budget.Quantity, inBatches: Bool) -> Bool {
        quantity == .multiplyAdds && inBatches
    }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        stride(from: 10, through: 75, by: 5).compactMap { percent in
            let rank = numbers(percent, site.shape) / 3 / (site.shape.rows + site.shape.columns)
            return rank >= 1 ? Candidate(family: name, options: ["percent": percent, "rank": rank]) : nil
        }
    }

    /// A percentage of the dense matrix's.
    private func numbers(_ percent: Int, _ shape: MatrixShape) -> Int {
        shape.count / 100 * percent + shape.count % 100 * percent / 100
    }

    /// What the rank leaves of the numbers.
    private func entries(_ candidate: Candidate, _ shape: MatrixShape) -> Int {
        let left = numbers(candidate["percent"], shape) - candidate["rank"] * (shape.rows + shape.columns)
        return min(shape.count, max(0, left))
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        .lowRank(candidate["rank"], shape: shape, precision: precision)
            + CompressedSparseRows.cost(shape: shape, entries: entries(candidate, shape), precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        return try MatrixSum([
            generator.sparseRows(shape, entries: entries(candidate, shape), precision),
            generator.lowRank(shape, rank: candidate["rank"], precision),
        ])
    }

    /// Close enough to compare by, in a fifth of the time.
    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try fit(candidate, context, OATSFitter(rank: candidate["rank"], sweeps: 20, refits: 1, lastIterations: 20))
    }

    /// With more sweeps from the beginning.
    public func polished(
        _ candidate: Candidate, from start: () throws -> AnyFit, _ context: CandidateContext
    ) throws -> AnyFit {
        try fit(candidate, context, OATSFitter(rank: candidate["rank"]))
    }

    private func fit(_ candidate: Candidate, _ context: CandidateContext, _ fitter: OATSFitter) throws -> AnyFit {
        try fitter.fitAny(context, size: .parameters(cost(of: candidate, at: context).parameters))
    }
}

extension SeededGenerator {
    /// A low-rank matrix of random numbers.
    mutating func lowRank(_ shape: MatrixShape, rank: Int, _ precision: Precision) -> LowRank {
        LowRank(
            u: factor([shape.rows, rank], inner: rank, precision),
            v: factor([rank, shape.columns], inner: shape.columns, precision))
    }

    /// Random numbers in random places, as many in every row as divide evenly.
    mutating func sparseRows(_ shape: MatrixShape, entries: Int, _ precision: Precision) -> CompressedSparseRows {
        let values = factor([shape.rows, shape.columns], inner: max(1, entries / max(1, shape.rows)), precision).matrix
        var keeps = [Bool](repeating: false, count: shape.count)
        for row in 0..<shape.rows {
            let count = min(shape.columns, entries / shape.rows + (row < entries % shape.rows ? 1 : 0))
            for column in (0..<shape.columns).shuffled(using: &self).prefix(count) {
                keeps[row * shape.columns + column] = true
            }
        }
        return CompressedSparseRows(values, precision: precision) { keeps[$0 * shape.columns + $1] }
    }

    /// N:M sparse random numbers in random places.
    mutating func groups(_ shape: MatrixShape, kept: Int, group: Int, _ precision: Precision) throws -> NMSparse {
        let places = (0..<shape.rows * (shape.columns / max(1, group))).flatMap { _ in
            (0..<UInt8(group)).shuffled(using: &self).prefix(kept).sorted()
        }
        return try NMSparse(
            values: factor([places.count], inner: shape.columns / 2, precision).values, places: places, shape: shape,
            kept: kept, group: group, precision: precision)
    }
}
