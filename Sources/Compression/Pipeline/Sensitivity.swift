import Fitting
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// How much the model's output suffers from errors of a matrix, measured one matrix at a time.
///
/// Errors of different matrices do not compare: 1 % of a matrix whose output is drowned by a residual is nothing, 1 %
/// of another is ruin. So each matrix in turn is replaced by probes (crude fits of it, a slight one and a hard one) and the
/// change of the model's output is measured. For small errors the change is proportional to the squared error, so
/// change / relative error, the sensitivity, tells the damage of any candidate, and damages of different matrices add up as
/// long as they are small. How far from proportional it is, the two probes tell together (`DamageCurve`).
enum Sensitivity {
    /// The crude fits: integers of 4 and 2 bits when bytes are saved, low-rank with three quarters and a quarter of the
    /// multiply-adds when those are; for latency, whichever is closer to the families that take part.
    static func probes(for site: MatrixSite, recipe: Recipe) -> [Candidate] {
        let quantizes = recipe.families.isEmpty || recipe.families.contains(Quantized.family.name)
        switch (recipe.budget.quantity, quantizes) {
        case (.bytes, _), (.latency, true):
            return [4, 2].map { Candidate(family: Quantized.family.name, options: ["bits": $0, "groupSize": 64]) }
        case (.multiplyAdds, _), (.latency, false):
            return [3, 1].map { quarters in
                let rank = quarters * site.shape.count / (4 * (site.shape.rows + site.shape.columns))
                return Candidate(family: LowRank.family.name, options: ["rank": max(1, rank)])
            }
        }
    }

    /// One number for each site of the table: the geometric mean of what the probes say. The probes are recorded in the
    /// journal, and measured on a sample of the distance's sequences.
    static func measure(
        _ table: CandidateTable, model: any TransformerModel, distance: OutputDistance, journal: Journal,
        context: ExecutionContext, progress: (_ done: Int, _ total: Int) -> Void
    ) throws -> [Double] {
        var distance = SingleChanges(of: model, by: distance.sample, context: context)
        var sensitivities: [Double] = []
        for (index, site) in table.sites.enumerated() {
            let points = try probes(for: site, recipe: table.recipe).map { probe in
                if let known = point(probe, site, journal) { return known }
                let fit = try table.fit(site, probe)
                let damage = try distance(site, fit.matrix)
                guard damage.isFinite else {
                    throw CompressionError.notFinite(matrix: site.name, what: "the model's output with a crude fit of it")
                }
                try journal.record(key(probe, site), [.number(fit.relativeError), .number(damage)])
                return (error: fit.relativeError, damage: damage)
            }
            let quotients = points.filter { $0.error > 0 && $0.damage > 0 }.map { $0.damage / $0.error }
            let product = quotients.reduce(1, *)
            sensitivities.append(quotients.isEmpty ? 0 : quotients.count == 1 ? product : product.squareRoot())
            progress(index + 1, table.sites.count)
        }
        return sensitivities
    }

    /// What `measure` found for each probe of a site, by rising error; nil where it was not asked.
    static func points(
        of site: MatrixSite, recipe: Recipe, journal: Journal
    ) -> [(error: Double, damage: Double)]? {
        let points = probes(for: site, recipe: recipe).compactMap { point($0, site, journal) }
        return points.isEmpty ? nil : points
    }

    private static func key(_ probe: Candidate, _ site: MatrixSite) -> String { "probe/\(site.name)/\(probe.label)" }

    private static func point(
        _ probe: Candidate, _ site: MatrixSite, _ journal: Journal
    ) -> (error: Double, damage: Double)? {
        guard let numbers = journal[key(probe, site)]?.arrayValue?.compactMap(\.doubleValue), numbers.count == 2 else {
            return nil
        }
        return (numbers[0], numbers[1])
    }
}
