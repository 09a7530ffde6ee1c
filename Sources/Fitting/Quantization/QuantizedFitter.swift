import LinearAlgebra
import StructuredMatrices
import Tensors

/// Group-wise integers by the best means there are: scale search, error compensation (GPTQ) with scales searched on the
/// way, and from the better of the two, coordinate descent over codes and least squares for scales in turn.
public struct QuantizationFitter<Form: GroupQuantized>: Fitter {
    public static var method: FittingMethod {
        FittingMethod(
            name: Form.methodName("quantize"), family: Form.family, objectives: [.frobenius, .activations],
            summary: "small integers by scale search, compensation and descent" + Form.summaryEnding,
            source: "GPTQ, arXiv 2210.17323, and QuantEase, arXiv 2309.01885")
    }

    /// 2 to 6 or 8; nil takes as many as the budget allows.
    public var bits: Int?
    /// Consecutive weights of a row that share a scale.
    public var groupSize: Int
    /// Added to the Gram matrix's diagonal for compensation, times its mean, against fitting the calibration
    /// text.
    public var compensationDamping: Double
    /// Rounds of descent at most.
    public var rounds: Int

    public init(bits: Int? = nil, groupSize: Int = 64, compensationDamping: Double = 0.01, rounds: Int = 10) {
        self.bits = bits
        self.groupSize = groupSize
        self.compensationDamping = compensationDamping
        self.rounds = rounds
    }

    /// Under `.frobenius` some 50 passes over the weight; otherwise columns^3 and about 6 rows columns^2 multiply-adds more, 2
    /// columns for every code that descent changes, and 40 columns^2 bytes. Rows are shared among `context.execution`'s threads.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Form> {
        let problem = try QuantizationProblem<Form>(
            weight, objective, size, context, fitter: Self.method.name, bits: bits, groupSize: groupSize)
        let (quantizer, importance, groupSize) = (problem.quantizer(searching: true), problem.importance, groupSize)
        var rows = try problem.rounded { quantizer.round($0, groupSize: groupSize, importance: importance) }
        var best = try problem.fit(rows)
        guard let gram = objective.gram else { return best }
        var trace = [best.relativeError]
        func report(_ error: Double) throws {
            trace.append(error)
            context.progress(FitProgress(sweep: trace.count - 1, limit: 2, relativeError: error))
            try context.checkCancellation()
        }
        // Of the orders this one has the least error on MiniLM, before descent and after.
        if let compensation = try gram.compensation(
            relativeDamping: compensationDamping, order: .largestGroups, groupSize: groupSize)
        {
            let candidate = try problem.rounded {
                compensation.round($0, groupSize: groupSize, quantizer: quantizer)
            }
            let fit = try problem.fit(candidate)
            if fit.relativeError < best.relativeError { (rows, best) = (candidate, fit) }
            try report(best.relativeError)
        }
        guard rounds > 0, best.relativeError > 0 else {
            return Fit(matrix: best.matrix, relativeError: best.relativeError, trace: trace)
        }
        let descent = CoordinateDescent(gram, groupSize: groupSize, quantizer: quantizer, rounds: rounds)
        let (start, groups) = (rows, (weight.columns + groupSize - 1) / groupSize)
        let improved = try problem.pieces(of: descent.rowsAtOnce) { range, view in
            var piece = QuantizedRows(rows: 0, columns: weight.columns, groupSize: groupSize)
            piece.codes = Array(
                start.codes[range.lowerBound * weight.columns..<range.upperBound * weight.columns])
            piece.scales = Array(start.scales[range.lowerBound * groups..<range.upperBound * groups])
            return descent.improve(view, from: piece).rows
        }
        let fit = try problem.fit(QuantizedRows(improved))
        if fit.relativeError < best.relativeError { best = fit }
        try report(best.relativeError)
        return Fit(matrix: best.matrix, relativeError: best.relativeError, trace: trace)
    }
}

public typealias QuantizedFitter = QuantizationFitter<Quantized>
public typealias AsymmetricQuantizedFitter = QuantizationFitter<AsymmetricQuantized>
