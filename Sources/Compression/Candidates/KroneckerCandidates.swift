import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Sums of Kronecker products on the grid nearest to square, from a sixteenth to three quarters of the dense size: many times
/// as many multiply-adds as numbers, so it serves bytes.
public struct KroneckerCandidates: CandidateSource {
    public init() {}

    public var family: Family { KroneckerSum.family }
    public var optionNames: Set<String> { ["outerRows", "outerColumns", "terms"] }
    public var sizeOption: String? { "terms" }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }

    public func serves(_ quantity: Budget.Quantity) -> Bool { quantity == .bytes }

    /// The largest divisor up to the square root.
    private static func even(_ size: Int) -> Int {
        (1...max(1, size)).last { size % $0 == 0 && $0 * $0 <= size } ?? 1
    }

    private static func sides(_ candidate: Candidate, _ shape: MatrixShape) -> (outer: MatrixShape, inner: MatrixShape) {
        let outer = MatrixShape(rows: max(1, candidate["outerRows"]), columns: max(1, candidate["outerColumns"]))
        return (outer, MatrixShape(rows: shape.rows / outer.rows, columns: shape.columns / outer.columns))
    }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let options = ["outerRows": Self.even(site.shape.rows), "outerColumns": Self.even(site.shape.columns)]
        let (outer, inner) = Self.sides(Candidate(family: family.name, options: options), site.shape)
        let perTerm = outer.count + inner.count
        let most = min(site.shape.count * 3 / 4 / perTerm, min(outer.count, inner.count))
        let terms = Set((2...24).map { site.shape.count * $0 / 32 / perTerm }).filter { $0 >= 1 && $0 <= most }
        return terms.sorted().map {
            Candidate(family: family.name, options: options.merging(["terms": $0]) { first, _ in first })
        }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        let (outer, inner) = Self.sides(candidate, shape)
        return KroneckerSum.cost(outer: outer, inner: inner, terms: candidate["terms"], precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let ((outer, inner), terms) = (Self.sides(candidate, shape), candidate["terms"])
        return KroneckerSum(
            outer: generator.factor([outer.rows, outer.columns, terms], inner: outer.columns * terms, precision),
            inner: generator.factor([terms, inner.rows, inner.columns], inner: inner.columns, precision))
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try KroneckerFitter(outer: Self.sides(candidate, context.site.shape).outer)
            .fitAny(context, size: .parameters(cost(of: candidate, at: context).parameters))
    }
}
