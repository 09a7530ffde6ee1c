import Fitting

/// The objective as it is, not divided by the matrix's own size: sum over matrices of tr((W - V) G (W - V)^T), the squared
/// change of the layers' outputs. The LQ-LoRA integer programme with all Fisher weights one.
struct AbsoluteErrorStrategy: DamageStrategy {
    let name = "lq-lora"
    let summary = "the sum of squared changes of the layers' outputs"
    let source = "LQ-LoRA's integer programme, arXiv 2311.12023"
    let isDefault = false

    func damages(_ problem: AllocationProblem) throws -> [[Double]]? {
        problem.damages(
            weights: try problem.sites.map { site in
                try problem.remembered("size of the output", site) {
                    let place = try problem.table.candidateContext(site)
                    return place.assessment.squaredNorm(of: place.weight)
                }
            })
    }
}
