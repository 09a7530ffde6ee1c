import StructuredMatrices
import Synchronization
import Tensors

/// The matrices of every expert laid out for products by themselves, so that those of the chosen alone are read.
struct PreparedExperts: Sendable {
    struct Expert: Sendable {
        /// Nil where the network is not gated.
        let gate: (any PreparedProduct)?
        let up: any PreparedProduct
        let down: any PreparedProduct
    }

    let experts: [Expert]
}

extension Block {
    /// Whether experts can run one by one: matrices of other families than dense are not cut. All experts run then, and what
    /// those that were not chosen give is dropped.
    var cutsExperts: Bool {
        experts != nil
            && BlockMatrix.feedForward.allSatisfy { ($0 == .gate && !isGated) || self[$0].weight is Dense }
    }

    /// Memory: what the matrices take, once more.
    func preparedExperts(_ options: PreparationOptions) -> PreparedExperts? {
        guard let experts, cutsExperts, let up = up.weight as? Dense, let down = down.weight as? Dense else { return nil }
        let size = sizes.feedForwardWidth / experts.sizes.count
        let neurons = (0..<experts.sizes.count).map { Array($0 * size..<($0 + 1) * size) }
        let gates = isGated ? (gate.weight as? Dense)?.prepared(parts: neurons.map { .init(rows: $0) }, options) : nil
        let ups = up.prepared(parts: neurons.map { .init(rows: $0) }, options)
        let downs = down.prepared(parts: neurons.map { .init(columns: $0) }, options)
        return PreparedExperts(
            experts: neurons.indices.map { .init(gate: gates?[$0], up: ups[$0], down: downs[$0]) })
    }
}

extension Network {
    /// Lays out the experts of every block that has some.
    mutating func prepareExperts(_ options: PreparationOptions, context: ExecutionContext) {
        let routed = blocks.indices.filter { blocks[$0].cutsExperts }
        let all = blocks
        let made = Mutex<[Int: PreparedExperts]>([:])
        context.parallelFor(routed.count) { index in
            let block = routed[index]
            let prepared = all[block].preparedExperts(options)
            made.withLock { $0[block] = prepared }
        }
        for (block, prepared) in made.withLock({ $0 }) { blocks[block].preparedExperts = prepared }
    }
}
