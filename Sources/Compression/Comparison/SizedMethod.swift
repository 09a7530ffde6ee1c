import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// One way to a structured matrix of a given size: a registered fitter, or the candidates of a family that has none.
///
/// `all` follows the registries, so whatever is registered is compared.
public struct SizedMethod: Sendable {
    public let method: FittingMethod
    private let makeFit: @Sendable (Matrix, Objective, SizeBudget, FitContext) throws -> AnyFit

    /// Under Fisher weights that the fitter cannot use, the generic refinement takes over where the family has gradients,
    /// and the fit names it. Under activations the plain method stands as it is, so that it can be compared with those
    /// that use them.
    public init(_ fitter: any Fitter) {
        method = fitter.method
        makeFit = { weight, objective, size, context in
            guard objective.kind.isFisher else {
                return try fitter.fitAny(weight, objective: objective, size: size, context: context)
            }
            return try fitter.fitRefining(weight, objective: objective, size: size, context: context)
        }
    }

    /// The largest candidate within the size.
    init(_ source: any CandidateSource) {
        let family = source.family
        method = FittingMethod(
            name: family.name, family: family, objectives: Objective.Kind.allCases,
            summary: "the largest candidate within the size", source: family.source)
        makeFit = { weight, objective, size, context in
            let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
            let site = MatrixSite(name: context.name, shape: shape, role: .linear, input: nil)
            var found: [(candidate: Candidate, cost: Cost)] = []
            for quantity in [Budget.Quantity.bytes, .multiplyAdds] where source.serves(quantity) {
                found += source.candidates(for: site, quantity: quantity, precision: context.precision).map {
                    ($0, source.cost(of: $0, shape: shape, precision: context.precision))
                }
            }
            found.sort { ($0.cost.storedBytes, $0.candidate.label) < ($1.cost.storedBytes, $1.candidate.label) }
            guard let smallest = found.first else {
                throw CompressionError.noCandidate(matrix: context.name, family: family.name, shape: shape.description)
            }
            guard let chosen = found.last(where: { size.allows($0.cost, shape: shape) }) else {
                throw FittingError.budgetBelowMinimum(
                    matrix: context.name, family: family.name, shape: shape, budget: size, minimum: smallest.cost)
            }
            let place = CandidateContext(site: site, weight: weight, objective: objective, fit: context)
            return try source.fit(chosen.candidate, place)
        }
    }

    /// One candidate of a family, whatever the size asked for.
    /// - Throws: `CompressionError.unknownFamily`.
    init(_ candidate: Candidate) throws {
        let source = try CandidateSources.source(candidate.family)
        method = FittingMethod(
            name: candidate.label, family: source.family, objectives: Objective.Kind.allCases,
            summary: source.family.summary, source: source.family.source)
        makeFit = { weight, objective, _, context in
            let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
            let site = MatrixSite(name: context.name, shape: shape, role: .linear, input: nil)
            return try source.fit(
                candidate, CandidateContext(site: site, weight: weight, objective: objective, fit: context))
        }
    }

    public var name: String { method.name }

    /// - Throws: what the fitter throws.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext
    ) throws -> AnyFit {
        try makeFit(weight, objective, size, context)
    }

    /// The registered fitters in their order, then the families that only have candidates.
    public static var all: [SizedMethod] {
        let fitters = Fitters.all.map { SizedMethod($0) }
        let fitted = Set(fitters.map(\.method.family.name) + [Dense.family.name])
        return fitters + CandidateSources.all.filter { !fitted.contains($0.family.name) }.map { SizedMethod($0) }
    }

    /// Registered families that nothing fits; dense, which needs no fit, is not among them.
    public static var unfitted: [Family] {
        let fitted = Set(all.map(\.method.family.name) + [Dense.family.name])
        return Families.all.map { $0.family }.filter { !fitted.contains($0.name) }
    }

    /// The methods of the named families and fitters; all for empty lists.
    /// - Throws: `CompressionError.unknownFamily`, `.unknownFitter`.
    public static func named(families: [String] = [], fitters: [String] = []) throws -> [SizedMethod] {
        let known = Families.names.filter { $0 != Dense.family.name }
        for name in families where !known.contains(name) { throw CompressionError.unknownFamily(name: name, known: known) }
        for name in fitters where !all.contains(where: { $0.name == name }) {
            throw CompressionError.unknownFitter(name: name, known: all.map(\.name))
        }
        guard !(families.isEmpty && fitters.isEmpty) else { return all }
        return all.filter { families.contains($0.method.family.name) || fitters.contains($0.name) }
    }
}
