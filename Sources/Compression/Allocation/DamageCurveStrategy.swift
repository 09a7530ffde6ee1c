/// The output's change with a slight and a hard crude fit of each matrix alone (`Sensitivity`), and a power law through
/// both: what a candidate does to the output is read off at its own error.
///
/// The output's change grows with the squared error only while that is small; where a softmax or a norm saturates it grows
/// more slowly, and where a matrix carries the few directions that matter, faster.
struct DamageCurveStrategy: DamageStrategy {
    let name = "measured-curve"
    let summary = "the output's change at two sizes of error of that matrix alone, and a power law between"
    let source = "one-matrix probes at two sizes"
    let isDefault = true

    func damages(_ problem: AllocationProblem) -> [[Double]]? {
        var damages: [[Double]] = []
        for (site, candidates) in zip(problem.sites, problem.candidates) {
            guard let points = Sensitivity.points(of: site, recipe: problem.table.recipe, journal: problem.journal)
            else { return nil }
            let curve = DamageCurve(points)
            damages.append(candidates.map { curve($0.relativeError) })
        }
        return damages
    }
}
