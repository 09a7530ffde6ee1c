import LinearAlgebra
import StructuredMatrices
import Tensors

/// Low-rank with both factors in small integers: W = U V with U and V quantized matrices. The rank that bytes buy is two to
/// four times that of f16 factors.
///
/// V is rounded under the inputs' second moments, U then fitted to what V has become and rounded under the second moments
/// of what V puts out, so that each rounding makes good what it can of the one before.
public struct QuantizedFactorsFitter: Fitter {
    public static let method = FittingMethod(
        name: "quantized-factors", family: MatrixProduct.family, objectives: [.frobenius, .activations],
        summary: "low-rank with factors in small integers, the second fitted to the first as rounded",
        source: "SVD-LLM, arXiv 2403.07378, with GPTQ, arXiv 2210.17323")

    /// One of `Quantized.supportedBits`.
    public var bits: Int
    public var groupSize: Int
    /// Nil takes as many as the budget allows.
    public var rank: Int?

    public init(bits: Int = 8, groupSize: Int = 32, rank: Int? = nil) {
        self.bits = bits
        self.groupSize = groupSize
        self.rank = rank
    }

    /// What a matrix of this form costs.
    public static func cost(shape: MatrixShape, rank: Int, bits: Int, groupSize: Int) -> Cost {
        Quantized.cost(shape: MatrixShape(rows: shape.rows, columns: rank), bits: bits, groupSize: groupSize)
            + Quantized.cost(shape: MatrixShape(rows: rank, columns: shape.columns), bits: bits, groupSize: groupSize)
    }

    /// Cost: one `Double` SVD of W L and two quantizations.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixProduct> {
        try context.check(weight, objective)
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        try Self.checkIntegers(bits: bits, groupSize: groupSize)
        let most = min(shape.rows, shape.columns)
        if let rank, !(1...most).contains(rank) { throw Self.invalid("rank", "1 to \(most)", rank) }
        let rank = try size.largest(
            in: rank.map { $0...$0 } ?? 1...most, family: MatrixProduct.family, shape: shape, matrix: context.name
        ) { Self.cost(shape: shape, rank: $0, bits: bits, groupSize: groupSize) }

        let factors = try LowRankFactorisation(weight, objective: objective, context: context).balancedFactors(rank: rank)
        let quantizer = QuantizedFitter(bits: bits, groupSize: groupSize)
        // Weights of W's rows say nothing about V's.
        let v = try quantizer.fit(
            factors.v.converted(), objective: objective.ofColumns, size: .storedBytes(.max), context: context
        ).matrix
        let rounded: DoubleMatrix = v.dense().converted()
        let weighted = objective.gram.map { rounded.multiplied(by: $0.matrix) } ?? rounded
        // What V puts out, and U's normal equations under it.
        let inner = rounded.multiplied(by: weighted, transposeOther: true)
        let u = try solvePositive(
            inner, weighted.multiplied(by: weight.converted(), transposeOther: true), relativeRidge: 1e-10
        ).transposed()
        let codes = try quantizer.fit(
            u.converted(), objective: .activations(try Gram(inner, relativeDamping: 1e-6)), size: .storedBytes(.max),
            context: context
        ).matrix
        return try Fit(
            measuring: MatrixProduct([codes, v]), for: weight, objective: objective, context: context)
    }
}
