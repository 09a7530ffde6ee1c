import StructuredMatrices
import Tensors

/// Round to nearest: the largest weight of a group sets its scale (with zero points, the smallest and the largest set both),
/// and every weight goes to the nearest level. Looks at no inputs.
public struct RoundToNearestFitter<Form: GroupQuantized>: Fitter {
    public static var method: FittingMethod {
        FittingMethod(
            name: Form.methodName("round-to-nearest"), family: Form.family, objectives: [.frobenius],
            summary: "rounding to small integers by the largest weight of a group" + Form.summaryEnding,
            source: "standard practice")
    }

    /// 2 to 6 or 8; nil takes as many as the budget allows.
    public var bits: Int?
    /// Consecutive weights of a row that share a scale.
    public var groupSize: Int

    public init(bits: Int? = nil, groupSize: Int = 64) {
        self.bits = bits
        self.groupSize = groupSize
    }

    /// One pass over the weight, rows shared among `context.execution`'s threads.
    /// - Throws: `FittingError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Form> {
        let problem = try QuantizationProblem<Form>(
            weight, objective, size, context, fitter: Self.method.name, bits: bits, groupSize: groupSize)
        let (quantizer, importance) = (problem.quantizer(searching: false), problem.importance)
        return try problem.fit(
            problem.rounded { quantizer.round($0, groupSize: problem.groupSize, importance: importance) })
    }
}
