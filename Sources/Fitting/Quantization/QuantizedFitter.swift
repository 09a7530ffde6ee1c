import StructuredMatrices
import Tensors

/// Group-wise integers with binary16 scales: round to nearest, search of scales weighted by the mean squares
/// of the inputs, and error compensation under the whole Gram matrix (GPTQ); the best of what was tried is
/// kept.
public struct QuantizedFitter: Fitter {
    public static let method = FittingMethod(
        name: "quantize", family: Quantized.family, objectives: [.frobenius, .activations],
        summary: "rounding to small integers, with scale search and compensation of rounding errors",
        source: "GPTQ, arXiv 2210.17323")

    /// 2, 3, 4 or 8; nil takes as many as the budget allows.
    public var bits: Int?
    /// Consecutive weights of a row that share a scale.
    public var groupSize: Int
    /// Whether scales are searched and refitted; otherwise the largest weight of the group sets its scale.
    public var searchesScales: Bool
    /// Whether rounding errors are compensated when the objective is `.activations`.
    public var compensated: Bool
    /// Added to the Gram matrix's diagonal for compensation, times its mean, against fitting the calibration
    /// text.
    public var compensationDamping: Double

    public init(
        bits: Int? = nil, groupSize: Int = 64, searchesScales: Bool = true, compensated: Bool = true,
        compensationDamping: Double = 0.01
    ) {
        self.bits = bits
        self.groupSize = groupSize
        self.searchesScales = searchesScales
        self.compensated = compensated
        self.compensationDamping = compensationDamping
    }

    /// What a matrix of these bits and groups costs.
    public static func cost(shape: MatrixShape, bits: Int, groupSize: Int) -> Cost {
        let scales = shape.rows * ((shape.columns + groupSize - 1) / groupSize)
        return Cost(
            parameters: shape.count + scales,
            storedBytes: shape.rows * ((shape.columns * bits + 7) / 8) + 2 * scales, multiplyAdds: shape.count
        )
    }

    /// Rounding under `.frobenius` or without compensation: some 50 passes over the weight. Compensated:
    /// twice rows columns^2 multiply-adds more. Rows are shared among `context.execution`'s threads.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<Quantized> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        let bits = try bits(within: size, shape: shape, context: context)

        let quantizer = GroupQuantizer(bits: bits, searching: searchesScales)
        let importance =
            objective.gram?.diagonal.map { Float($0) } ?? [Float](repeating: 1, count: weight.columns)
        let groupSize = groupSize
        var best = try fit(weight, objective, shape, bits, context) {
            quantizer.round($0, groupSize: groupSize, importance: importance)
        }
        guard compensated, let gram = objective.gram else { return best }
        var trace = best.trace
        for sorted in [false, true] {
            try context.checkCancellation()
            guard
                let compensation = try ErrorCompensation(
                    gram, relativeDamping: compensationDamping, sorted: sorted)
            else { continue }
            let candidate = try fit(weight, objective, shape, bits, context) {
                compensation.round($0, groupSize: groupSize, quantizer: quantizer)
            }
            if candidate.relativeError < best.relativeError { best = candidate }
            trace.append(best.relativeError)
        }
        return Fit(matrix: best.matrix, relativeError: best.relativeError, trace: trace)
    }

    private func bits(within size: SizeBudget, shape: MatrixShape, context: FitContext) throws -> Int {
        func invalid(_ option: String, _ expected: String, _ got: Int) -> FittingError {
            .invalidOption(fitter: Self.method.name, option: option, expected: expected, got: got)
        }
        guard groupSize > 0 else { throw invalid("group size", "1 or more", groupSize) }
        if let bits, !Quantized.supportedBits.contains(bits) { throw invalid("bits", "2, 3, 4 or 8", bits) }
        let candidates = bits.map { [$0] } ?? Quantized.supportedBits.sorted()
        let costs = candidates.map { Self.cost(shape: shape, bits: $0, groupSize: groupSize) }
        guard let chosen = costs.lastIndex(where: { size.allows($0, shape: shape) }) else {
            throw FittingError.budgetBelowMinimum(
                matrix: context.name, family: Quantized.family.name, shape: shape, budget: size,
                minimum: costs[0])
        }
        return candidates[chosen]
    }

    /// Rows are cut into pieces by the shape alone, so that the bits do not depend on the threads.
    private func fit(
        _ weight: Matrix, _ objective: Objective, _ shape: MatrixShape, _ bits: Int, _ context: FitContext,
        _ round: @escaping @Sendable (MatrixView) -> QuantizedRows
    ) throws -> Fit<Quantized> {
        let rowsAtOnce = 256
        let pieces = try weight.withView { view in
            try context.execution.parallelMap((shape.rows + rowsAtOnce - 1) / rowsAtOnce) { piece in
                try context.checkCancellation()
                return round(view.rows(piece * rowsAtOnce..<min(shape.rows, (piece + 1) * rowsAtOnce)))
            }
        }
        var rows = QuantizedRows(codes: [], scales: [])
        for piece in pieces {
            rows.codes += piece.codes
            rows.scales += piece.scales
        }
        let matrix = try Quantized(
            codes: rows.codes, scales: rows.scales, shape: shape, bits: bits, groupSize: groupSize)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context)
    }
}
