import StructuredMatrices
import Tensors
import Transformers

/// The output distance of models that differ from one in a single matrix each: blocks before the matrix are run once for all of
/// them. Asked for in the order of the computation, each takes about half of a run; for a matrix of an earlier block the model
/// runs whole. The same bits as of whole runs. Memory: one state of all tokens (4 tokens width bytes).
package struct SingleChanges {
    private let distance: OutputDistance
    private let base: any TransformerModel
    private let context: ExecutionContext
    private var entry: BlockEntry?

    /// - Parameter base: what the models differ from.
    package init(of base: any TransformerModel, by distance: OutputDistance, context: ExecutionContext) {
        self.distance = distance
        self.base = base
        self.context = context
    }

    /// The distance with `matrix` in place of a site's.
    /// - Throws: as `OutputDistance`.
    package mutating func callAsFunction(_ site: MatrixSite, _ matrix: any StructuredMatrix) throws -> Double {
        var changed = base
        changed[site: site.name] = matrix
        return try distance(changed, from: entry(site), context: context)
    }

    /// What the site's block reads; nil where that is no later than what is at hand, or nothing was gained by it.
    private mutating func entry(_ site: MatrixSite) throws -> BlockEntry? {
        guard base is TransformerEncoder || base is CausalTransformer, let model = base as? any NetworkModel,
            let block = model.block(of: site), block > 0
        else { return nil }
        if let entry, entry.block >= block { return entry.block == block ? entry : nil }
        let states = try entry?.states ?? model.states(distance.sequences, context: context)
        let next = BlockEntry(
            block: block,
            states: try model.run(
                (entry?.block ?? 0)..<block, on: states, of: distance.sequences, context: context) { _, _ in })
        entry = next
        return next
    }
}
