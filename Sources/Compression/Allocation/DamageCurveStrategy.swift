import Fitting
import StructuredMatrices
import Transformers

/// The output's change measured with two crude fits of each matrix alone, a slight one and a hard one, and a power law
/// through both: what a candidate does to the output is read off at its own error.
///
/// The output's change grows with the squared error only while that is small; where a softmax or a norm saturates it grows
/// more slowly, and where a matrix carries the few directions that matter, faster.
struct DamageCurveStrategy: DamageStrategy {
    let name = "measured-curve"
    let summary = "the output's change at two sizes of error of that matrix alone, and a power law between"
    let source = "one-matrix probes at two sizes"
    let isDefault = true

    /// A slight and a hard crude fit: integers of 4 and 2 bits where bytes are saved, low-rank with three quarters and a
    /// quarter of the multiply-adds otherwise.
    static func probes(for site: MatrixSite, recipe: Recipe) -> [Candidate] {
        if Sensitivity.probe(for: site, recipe: recipe).family == Quantized.family.name {
            return [4, 2].map { Candidate(family: Quantized.family.name, options: ["bits": $0, "groupSize": 64]) }
        }
        return [3, 1].map { quarters in
            let rank = quarters * site.shape.count / (4 * (site.shape.rows + site.shape.columns))
            return Candidate(family: LowRank.family.name, options: ["rank": max(1, rank)])
        }
    }

    func damages(_ problem: AllocationProblem) throws -> [[Double]]? {
        try problem.sites.indices.map { index in
            let site = problem.sites[index]
            let points = try Self.probes(for: site, recipe: problem.table.recipe).map { probe in
                let fit = try problem.table.fit(site, probe)
                let damage = try problem.remembered("change with \(probe.label)", site) {
                    try problem.distance(replacing: site, by: fit.matrix)
                }
                return (error: fit.relativeError, damage: damage)
            }
            let curve = DamageCurve(points)
            return problem.candidates[index].map { curve($0.relativeError) }
        }
    }
}
