import Rewriting
import Tensors
import Transformers

/// Whole blocks go, one at a time, always the one whose absence changes the output least (BlockPruner's greedy order, with the
/// model's own output distance as the measure).
extension ModelRewriter {
    func dropBlocks(_ model: any NetworkModel) throws -> Outcome {
        let before = model.blockParameters
        let distance = try OutputDistance(original: model, sequences: calibration, context: context)
        var result = model
        let limit = share * Double(before)
        var alive = model.blockSizes.indices.filter { model.blockSizes[$0].heads > 0 || model.blockSizes[$0].feedForwardWidth > 0 }
        while Double(result.blockParameters) > limit {
            guard alive.count > 1 else {
                throw RewritingError.unreachable(
                    target: "\((1000 * share).rounded() / 10) %",
                    least: "\((1000 * Double(result.blockParameters) / Double(before)).rounded() / 10) %")
            }
            var best: (block: Int, distance: Double)?
            for (index, block) in alive.enumerated() {
                report("dropping blocks")(index, alive.count)
                var trial = result
                trial.dropBlock(block)
                let left = alive.filter { $0 != block }
                let measured = try journal.kept("distance with blocks \(left)") { try distance(trial, context: context) }
                if measured < best?.distance ?? .infinity { best = (block, measured) }
            }
            guard let best else { throw CompressionError.notFinite(matrix: "the model", what: "the output without a block") }
            result.dropBlock(best.block)
            report("dropping blocks")(alive.count, alive.count)
            alive.removeAll { $0 == best.block }
        }
        return Outcome(model: result, touched: (before, result.blockParameters))
    }
}
