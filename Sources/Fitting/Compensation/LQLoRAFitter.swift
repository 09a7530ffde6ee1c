import StructuredMatrices
import Tensors

/// Quantized + low-rank by alternation: the best low-rank matrix beside the codes, codes of what the low-rank matrix
/// leaves. Rounding is no projection, so the error may rise: the best pair of all is returned.
///
/// Two starts: from codes of the whole weight, whose first pair is EoRA's, and from the low-rank matrix of the whole
/// weight, which is the paper's.
public struct LQLoRAFitter: Fitter {
    public static let method = FittingMethod(
        name: "lq-lora", family: MatrixSum.family, objectives: [.frobenius, .activations],
        summary: "small integers + low-rank, each fitted to what the other leaves in turn", source: "LQ-LoRA, arXiv 2311.12023")

    /// Fits the codes.
    public var quantizer: QuantizedFitter
    /// Of the low-rank part; nil takes `share` of the budget, and what the codes leave.
    public var rank: Int?
    public var share: Double
    /// From each start at most; a start ends at its first sweep without a better pair.
    public var sweeps: Int

    public init(quantizer: QuantizedFitter = QuantizedFitter(), rank: Int? = nil, share: Double = 0.25, sweeps: Int = 6) {
        self.quantizer = quantizer
        self.rank = rank
        self.share = share
        self.sweeps = sweeps
    }

    /// Cost of a sweep: one `Double` SVD and one quantization.
    /// - Throws: `FittingError`, `LinearAlgebraError`.
    public func fit(
        _ weight: Matrix, objective: Objective, size: SizeBudget, context: FitContext = FitContext()
    ) throws -> Fit<MatrixSum> {
        let compensated = try EoRAFitter(base: quantizer, rank: rank, share: share)
            .fit(weight, objective: objective, size: size, context: context)
        guard let codes = compensated.matrix.parts.first as? Quantized,
            let correction = compensated.matrix.parts.last as? LowRank
        else { return compensated }
        var fixed = quantizer
        fixed.bits = codes.bits
        var search = Search(
            weight: weight, objective: objective, quantizer: fixed, rank: correction.rank, context: context,
            limit: 2 * sweeps, best: compensated, trace: compensated.trace)
        try search.run(from: correction, sweeps: sweeps)
        let whole = try LowRankFactorisation(weight, objective: objective, context: context)
        try search.run(from: whole.matrix(rank: correction.rank, precision: context.precision), sweeps: sweeps)
        return Fit(matrix: search.best.matrix, relativeError: search.best.relativeError, trace: search.trace)
    }

    /// Pairs tried so far.
    private struct Search {
        let weight: Matrix
        let objective: Objective
        let quantizer: QuantizedFitter
        let rank: Int
        let context: FitContext
        let limit: Int
        var best: Fit<MatrixSum>
        /// The least error so far, after every sweep.
        var trace: [Double]
        private var done = 0

        init(
            weight: Matrix, objective: Objective, quantizer: QuantizedFitter, rank: Int, context: FitContext, limit: Int,
            best: Fit<MatrixSum>, trace: [Double]
        ) {
            (self.weight, self.objective, self.quantizer, self.rank) = (weight, objective, quantizer, rank)
            (self.context, self.limit, self.best, self.trace) = (context, limit, best, trace)
        }

        mutating func run(from start: LowRank, sweeps: Int) throws {
            var (lowRank, least) = (start, Double.infinity)
            // Sweeps report themselves; the fits within do not.
            let quiet = FitContext(
                name: context.name, seed: context.seed, precision: context.precision, execution: context.execution,
                isCancelled: context.isCancelled)
            for _ in 0..<sweeps {
                try context.checkCancellation()
                let codes = try quantizer.fit(
                    weight - lowRank.dense(), objective: objective, size: .storedBytes(.max), context: quiet
                ).matrix
                let fit = try LowRankCompensation().compensate(
                    codes, toward: weight, objective: objective, rank: rank, context: quiet)
                if fit.relativeError < best.relativeError { best = fit }
                trace.append(best.relativeError)
                done += 1
                context.progress(FitProgress(sweep: done, limit: limit, relativeError: best.relativeError))
                guard fit.relativeError < least, let next = fit.matrix.parts.last as? LowRank else { break }
                (lowRank, least) = (next, fit.relativeError)
            }
        }
    }
}
