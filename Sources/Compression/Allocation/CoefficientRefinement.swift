/// The search over a compression's table.
struct CoefficientRefinement: AllocationRefinement {
    let name = "search"
    let summary = "mutations of the damages' coefficients, each choice measured in the model"
    let source = "SPDY, arXiv 2201.13096, and ZipLM, arXiv 2302.04089"
    let isDefault = true

    /// Measurements for each matrix, and at most: what is gained beyond on a sample is not found again on other text.
    static let evaluationsPerMatrix = 2
    static let mostEvaluations = 64

    func improve(
        _ start: AllocationAnswer, _ problem: AllocationProblem, progress: (_ done: Int, _ total: Int) -> Void
    ) throws -> [AllocationAnswer] {
        let evaluations = min(Self.mostEvaluations, Self.evaluationsPerMatrix * problem.sites.count)
        func damages(_ coefficients: [Double]) -> [[Double]] {
            zip(start.damages, coefficients).map { row, coefficient in row.map { coefficient * $0 } }
        }
        let found = try CoefficientSearch(evaluations: evaluations, seed: problem.seed)(
            from: start.choices, solve: { try problem.solve(damages($0)).choices }, glimpse: { try problem.glimpse($0) },
            measure: { try problem.measure($0) }, progress: progress)
        return found.steps.map {
            AllocationAnswer(choices: $0.choices, damages: damages($0.coefficients), gap: start.gap)
        }
    }
}
