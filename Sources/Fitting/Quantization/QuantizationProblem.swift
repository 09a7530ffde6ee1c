import LinearAlgebra
import StructuredMatrices
import Tensors

/// What the fitters of group-wise integers share: options and budget checked, rows shared among threads, and the result
/// measured.
struct QuantizationProblem<Form: GroupQuantized> {
    let weight: Matrix
    let objective: Objective
    let context: FitContext
    let shape: MatrixShape
    let bits: Int
    let groupSize: Int

    /// - Parameter bits: nil takes as many as the budget allows.
    /// - Throws: `FittingError`.
    init(
        _ weight: Matrix, _ objective: Objective, _ size: SizeBudget, _ context: FitContext, fitter: String, bits: Int?,
        groupSize: Int
    ) throws {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        func invalid(_ option: String, _ expected: String, _ got: Int) -> FittingError {
            .invalidOption(fitter: fitter, option: option, expected: expected, got: got)
        }
        guard groupSize > 0 else { throw invalid("group size", "1 or more", groupSize) }
        if let bits, !Quantized.supportedBits.contains(bits) { throw invalid("bits", Quantized.supportedBitsText, bits) }
        let candidates = bits.map { [$0] } ?? Quantized.supportedBits.sorted()
        let costs = candidates.map { Form.cost(shape: shape, bits: $0, groupSize: groupSize) }
        guard let chosen = costs.lastIndex(where: { size.allows($0, shape: shape) }) else {
            throw FittingError.budgetBelowMinimum(
                matrix: context.name, family: Form.family.name, shape: shape, budget: size, minimum: costs[0])
        }
        self.weight = weight
        self.objective = objective
        self.context = context
        self.shape = shape
        self.bits = candidates[chosen]
        self.groupSize = groupSize
    }

    /// Mean squares of the inputs; all 1 where the objective does not weigh them, or none of them ever was anything but 0.
    var importance: [Float] {
        let diagonal = objective.gram?.diagonal.map { Float($0) } ?? []
        return diagonal.contains { $0 > 0 } ? diagonal : [Float](repeating: 1, count: shape.columns)
    }

    func quantizer(searching: Bool) -> GroupQuantizer {
        GroupQuantizer(bits: bits, hasZeroPoints: Form.hasZeroPoints, searching: searching)
    }

    /// Rows are cut into pieces by the shape alone, so that the bits do not depend on the threads.
    func pieces<Output: Sendable>(
        of rowsAtOnce: Int = 256, _ body: @Sendable (Range<Int>, MatrixView) throws -> Output
    ) throws -> [Output] {
        return try weight.withView { view in
            try context.execution.parallelMap((shape.rows + rowsAtOnce - 1) / rowsAtOnce) { piece in
                try context.checkCancellation()
                let rows = piece * rowsAtOnce..<min(shape.rows, (piece + 1) * rowsAtOnce)
                return try body(rows, view.rows(rows))
            }
        }
    }

    /// All rows as `round` gives them.
    func rounded(_ round: @Sendable (MatrixView) throws -> QuantizedRows) throws -> QuantizedRows {
        QuantizedRows(try pieces { _, rows in try round(rows) })
    }

    /// The matrix with its error measured.
    func fit(_ rows: QuantizedRows, trace: [Double]? = nil) throws -> Fit<Form> {
        let unit = quantizer(searching: false).zeroUnit
        let matrix = try Form(
            codes: rows.codes, scales: rows.scales.map(\.scale), zeros: rows.scales.map { Int8($0.zero / unit) },
            shape: shape, bits: bits, groupSize: groupSize)
        return try Fit(measuring: matrix, for: weight, objective: objective, context: context, trace: trace)
    }
}

extension GroupQuantized {
    /// A fitter's name, different for every family.
    static func methodName(_ name: String) -> String { hasZeroPoints ? name + "-asymmetric" : name }
    /// What a summary adds.
    static var summaryEnding: String { hasZeroPoints ? ", with zero points" : "" }
}
