import LinearAlgebra
import StructuredMatrices
import Tensors

/// Rounding with compensation: columns one after another, each one's error moved into those still to come, group scales
/// taken from the weights as compensated so far.
public struct GPTQFitter<Form: GroupQuantized>: Fitter {
    public static var method: FittingMethod {
        FittingMethod(
            name: Form.methodName("gptq"), family: Form.family, objectives: [.activations],
            summary: "rounding to small integers with compensation of rounding errors" + Form.summaryEnding,
            source: "GPTQ, arXiv 2210.17323")
    }

    /// 2 to 6 or 8; nil takes as many as the budget allows.
    public var bits: Int?
    /// Consecutive weights of a row that share a scale.
    public var groupSize: Int
    /// The order in which columns are rounded; `.largestInputs` is the paper's "act-order".
    public var order: ColumnOrder
    /// Whether a group's scale is searched; otherwise its largest weight sets it, as in the paper. Without, 2 bits do worse
    /// than no compensation at all.
    public var searchesScales: Bool
    /// Added to the Gram matrix's diagonal, times its mean, on top of its own.
    public var damping: Double

    public init(
        bits: Int? = nil, groupSize: Int = 64, order: ColumnOrder = .largestGroups, searchesScales: Bool = true,
        damping: Double = 0.01
    ) {
        self.bits = bits
        self.groupSize = groupSize
        self.order = order
        self.searchesScales = searchesScales
        self.damping = damping
    }

    /// A factorisation of columns^3 and rows columns^2 multiply-adds, rows shared among `context.execution`'s threads.
    /// Under `.frobenius`, or where no input was ever anything but 0, there is nothing to compensate by: the result is
    /// that of rounding alone.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Form> {
        let problem = try QuantizationProblem<Form>(
            weight, objective, size, context, fitter: Self.method.name, bits: bits, groupSize: groupSize)
        let quantizer = problem.quantizer(searching: searchesScales)
        let compensation = try objective.gram.flatMap {
            try $0.compensation(relativeDamping: damping, order: order, groupSize: groupSize)
        }
        guard let compensation else {
            let importance = problem.importance
            return try problem.fit(
                problem.rounded { quantizer.round($0, groupSize: problem.groupSize, importance: importance) })
        }
        return try problem.fit(
            problem.rounded { compensation.round($0, groupSize: problem.groupSize, quantizer: quantizer) })
    }
}
