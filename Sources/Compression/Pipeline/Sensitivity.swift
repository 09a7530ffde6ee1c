import Fitting
import ModelFiles
import StructuredMatrices
import Tensors
import Transformers

/// How much the model's output suffers for each unit of a matrix's relative error, measured one matrix at a time.
///
/// Errors of different matrices do not compare: 1 % of a matrix whose output is drowned by a residual is nothing, 1 %
/// of another is ruin. So each matrix in turn is replaced by a probe (a crude fit of it), the change of the model's
/// output is measured, and divided by the probe's relative error. For small errors the change is proportional to the
/// squared error, so sensitivity x relative error estimates the damage of any candidate, and damages of different
/// matrices add up as long as they are small.
enum Sensitivity {
    /// The crude fit: 3-bit integers when bytes are saved, half the rank when multiply-adds are; for latency, whichever
    /// is closer to the families that take part.
    static func probe(for site: MatrixSite, recipe: Recipe) -> Candidate {
        let quantizes = recipe.families.isEmpty || recipe.families.contains(Quantized.family.name)
        switch (recipe.budget.quantity, quantizes) {
        case (.bytes, _), (.latency, true):
            return Candidate(family: Quantized.family.name, options: ["bits": 3, "groupSize": 64])
        case (.multiplyAdds, _), (.latency, false):
            let half = site.shape.count / (2 * (site.shape.rows + site.shape.columns))
            return Candidate(family: LowRank.family.name, options: ["rank": max(1, half)])
        }
    }

    /// One number for each site of the table, recorded in the journal; measured on a sample of the distance's sequences.
    static func measure(
        _ table: CandidateTable, model: any TransformerModel, distance: OutputDistance, journal: Journal,
        context: ExecutionContext, progress: (_ done: Int, _ total: Int) -> Void
    ) throws -> [Double] {
        let distance = distance.sample
        var sensitivities: [Double] = []
        for (index, site) in table.sites.enumerated() {
            let key = "sensitivity/\(site.name)"
            if let known = journal[key]?.doubleValue {
                sensitivities.append(known)
            } else {
                let fit = try table.fit(site, probe(for: site, recipe: table.recipe))
                var changed = model
                changed[site: site.name] = fit.matrix
                let damage = try distance(changed, context: context)
                let sensitivity = fit.relativeError > 0 ? damage / fit.relativeError : 0
                guard sensitivity.isFinite else {
                    throw CompressionError.notFinite(matrix: site.name, what: "the model's output with a crude fit of it")
                }
                try journal.record(key, .number(sensitivity))
                sensitivities.append(sensitivity)
            }
            progress(index + 1, table.sites.count)
        }
        return sensitivities
    }
}
