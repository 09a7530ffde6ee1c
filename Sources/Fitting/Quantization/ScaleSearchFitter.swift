import StructuredMatrices
import Tensors

/// Round to nearest with the scale (and zero point) of least squared error for every group: covering ranges shrunk step by
/// step, then regression and rounding in turn. Under `.activations` weights count by the mean squares of their inputs.
public struct ScaleSearchFitter<Form: GroupQuantized>: Fitter {
    public static var method: FittingMethod {
        FittingMethod(
            name: Form.methodName("scale-search"), family: Form.family, objectives: [.frobenius, .activations],
            summary: "rounding to small integers with a search of scales" + Form.summaryEnding,
            source: "clip search as in GPTQ's quantizer, arXiv 2210.17323")
    }

    /// 2 to 6 or 8; nil takes as many as the budget allows.
    public var bits: Int?
    /// Consecutive weights of a row that share a scale.
    public var groupSize: Int
    /// Whether the mean squares of the inputs count where the objective has them.
    public var weighted: Bool

    public init(bits: Int? = nil, groupSize: Int = 64, weighted: Bool = true) {
        self.bits = bits
        self.groupSize = groupSize
        self.weighted = weighted
    }

    /// Some 50 passes over the weight, rows shared among `context.execution`'s threads.
    /// - Throws: `FittingError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Form> {
        let problem = try QuantizationProblem<Form>(
            weight, objective, size, context, fitter: Self.method.name, bits: bits, groupSize: groupSize)
        let quantizer = problem.quantizer(searching: true)
        let importance = weighted ? problem.importance : [Float](repeating: 1, count: weight.columns)
        return try problem.fit(
            problem.rounded { quantizer.round($0, groupSize: problem.groupSize, importance: importance) })
    }
}
