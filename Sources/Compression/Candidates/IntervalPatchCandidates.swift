import Benchmarking
import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// Components of full length and as many numbers again in patches of a quarter of it, from a fifth to three quarters of the
/// dense size. Only where asked for.
public struct IntervalPatchCandidates: CandidateSource {
    public init() {}

    public var family: Family { IntervalPatches.family }
    public var optionNames: Set<String> { ["patches", "rank"] }
    public var isSlow: Bool { true }
    public var isDefault: Bool { false }

    private func form(_ candidate: Candidate, _ shape: MatrixShape) -> IntervalPatchFitter.Form {
        .init(components: candidate["rank"], patches: candidate["patches"], length: max(2, (shape.rows + shape.columns) / 4))
    }

    public func candidates(for site: MatrixSite, quantity: Budget.Quantity, precision: Precision) -> [Candidate] {
        let perRank = 2 * (site.shape.rows + site.shape.columns)
        let ranks = Set((4...15).map { site.shape.count * $0 / 20 / perRank }).filter { $0 >= 1 }
        return ranks.sorted().map { Candidate(family: name, options: ["patches": 4 * $0, "rank": $0]) }
    }

    public func cost(of candidate: Candidate, shape: MatrixShape, precision: Precision) -> Cost {
        form(candidate, shape).cost(shape: shape, precision: precision)
    }

    public func specimen(
        _ candidate: Candidate, shape: MatrixShape, precision: Precision
    ) throws -> any StructuredMatrix {
        var generator = SeededGenerator(seed: 0, stream: candidate.label)
        let form = form(candidate, shape)
        let whole = IntervalPatches.Patch(
            rows: .init(start: 0, count: shape.rows), columns: .init(start: 0, count: shape.columns))
        let patches = (0..<form.components).map { _ in whole } + (0..<form.patches).map { _ in
            let rows = max(1, min(shape.rows, form.length * shape.rows / (shape.rows + shape.columns)))
            return IntervalPatches.Patch(
                rows: .init(start: generator.nextInteger(below: shape.rows), count: rows),
                columns: .init(start: generator.nextInteger(below: shape.columns), count: form.length - rows))
        }
        func factor(_ count: Int) -> Factor { generator.factor([count], inner: patches.count, precision) }
        return try IntervalPatches(
            patches: patches, left: factor(patches.reduce(0) { $0 + $1.rows.count }),
            right: factor(patches.reduce(0) { $0 + $1.columns.count }), shape: shape)
    }

    public func fit(_ candidate: Candidate, _ context: CandidateContext) throws -> AnyFit {
        try IntervalPatchFitter(form: form(candidate, context.site.shape)).fitAny(context, size: .parameters(.max))
    }
}
