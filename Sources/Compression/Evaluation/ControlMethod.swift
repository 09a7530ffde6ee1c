import Fitting
import StructuredMatrices
import Tensors
import Transformers

/// The simplest ways to a model of a given size: what a compression has to be better than. Every matrix is treated alike, no
/// text is looked at, and nothing is weighed against anything.
public enum ControlMethod: String, Sendable, CaseIterable {
    /// Integers of as many bits, in groups as small, as the size allows for all matrices together.
    case roundToNearest = "round-to-nearest"
    /// Truncated singular value decompositions, of each matrix the same share of its bytes.
    case uniformSVD = "uniform-svd"

    /// A model whose named matrices together take at most so many bytes.
    public struct Outcome: Sendable {
        public let model: any TransformerModel
        /// Of the replaced matrices, as stored.
        public let cost: Cost
        /// What was done: "4 bits in groups of 64", "ranks of 25.0 % of the bytes".
        public let form: String
    }

    /// Replaces `sites` in `model`. Cost: a pass over the matrices, or a singular value decomposition of each.
    /// - Throws: `CompressionError.budgetTooSmall` where no form is as small; `FittingError`.
    public func replace(
        _ sites: [MatrixSite], in model: any TransformerModel, bytes: Int, precision: Precision, context: ExecutionContext,
        progress: LoopProgress = { _, _ in }
    ) throws -> Outcome {
        let fitter: any Fitter
        let form: String
        var budgets: [SizeBudget]
        switch self {
        case .roundToNearest:
            let chosen = try Self.integers(for: sites, bytes: bytes)
            fitter = RoundToNearestFitter<Quantized>(bits: chosen.bits, groupSize: chosen.groupSize)
            form = "\(chosen.bits) bits in groups of \(chosen.groupSize)"
            budgets = sites.map { _ in .fraction(1) }
        case .uniformSVD:
            let share = Double(bytes) / Double(max(1, 2 * sites.reduce(0) { $0 + $1.shape.count }))
            budgets = sites.map { SizeShare.share(share, of: .bytes).budget(for: $0.shape) }
            let smallest = sites.reduce(0) {
                $0 + ($1.shape.rows + $1.shape.columns) * precision.elementType.byteCount
            }
            let tooSmall = sites.contains {
                Int(share * Double(2 * $0.shape.count)) < ($0.shape.rows + $0.shape.columns) * precision.elementType.byteCount
            }
            guard !tooSmall else {
                throw CompressionError.budgetTooSmall(quantity: "bytes", budget: bytes, smallest: smallest)
            }
            fitter = TruncatedSVDFitter()
            form = "ranks of \(FigureText.percent(share)) of the bytes"
        }
        let sizes = budgets
        // Largest first, so that the threads end together.
        let order = sites.indices.sorted { (-sites[$0].shape.count, $0) < (-sites[$1].shape.count, $1) }
        let fits = try context.parallelMap(order.count, progress: progress) { place in
            let site = sites[order[place]]
            return try fitter.fitAny(
                model[site: site.name].dense(), objective: .frobenius, size: sizes[order[place]],
                context: FitContext(name: site.name, precision: precision))
        }
        var changed = model
        var cost = Cost(parameters: 0, storedBytes: 0, multiplyAdds: 0)
        for (index, fit) in zip(order, fits) {
            changed[site: sites[index].name] = fit.matrix
            cost.parameters += fit.matrix.cost.parameters
            cost.storedBytes += fit.matrix.cost.storedBytes
            cost.multiplyAdds += sites[index].isMultiplied ? fit.matrix.cost.multiplyAdds : 0
        }
        return Outcome(model: changed, cost: cost, form: form)
    }

    /// The largest form of integers that keeps all the matrices within the bytes.
    /// - Throws: `CompressionError.budgetTooSmall`.
    static func integers(for sites: [MatrixSite], bytes: Int) throws -> (bits: Int, groupSize: Int, bytes: Int) {
        let forms = Quantized.supportedBits.flatMap { bits in
            [128, 64, 32].map { groupSize in
                let total = sites.reduce(0) {
                    $0 + Quantized.cost(shape: $1.shape, bits: bits, groupSize: groupSize).storedBytes
                }
                return (bits: bits, groupSize: groupSize, bytes: total)
            }
        }.sorted { $0.bytes < $1.bytes }
        guard let largest = forms.last(where: { $0.bytes <= bytes }) else {
            throw CompressionError.budgetTooSmall(quantity: "bytes", budget: bytes, smallest: forms.first?.bytes ?? 0)
        }
        return largest
    }
}
