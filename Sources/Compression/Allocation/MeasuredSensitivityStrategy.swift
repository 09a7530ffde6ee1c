/// Relative errors weighted by how much the model's output changed when only that matrix was replaced by crude fits
/// (`Sensitivity`); or by the square root of that, which trusts these measurements less.
struct MeasuredSensitivityStrategy: DamageStrategy {
    enum Trust: Sendable {
        case asMeasured, squareRoot
    }

    let trust: Trust

    init(_ trust: Trust) { self.trust = trust }

    var name: String { trust == .asMeasured ? "measured" : "measured-root" }
    var summary: String {
        trust == .asMeasured
            ? "errors times the output's change with crude fits of that matrix alone"
            : "the same with the square roots of these sensitivities"
    }
    let source = "one-matrix probes, as in the LQ-LoRA and ZipLM programmes"
    let isDefault = true

    func damages(_ problem: AllocationProblem) -> [[Double]]? {
        problem.damages(
            weights: problem.sensitivities.map { sensitivity in
                guard sensitivity > 0 else { return 0 }
                return trust == .asMeasured ? sensitivity : sensitivity.squareRoot()
            })
    }
}
