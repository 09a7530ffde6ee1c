import Tensors

extension NetworkPass {
    /// A member's share of a feed-forward network's hidden features, tokens x feedForwardWidth: activation(up x + bias), or
    /// activation(gate x + bias) * (up x + bias); complete after the next barrier.
    func expand(_ layer: Int, _ input: MatrixView, _ worker: Worker) -> MutableMatrixView {
        let width = network.blocks[layer].sizes.feedForwardWidth
        let isGated = network.blocks[layer].isGated
        let (gate, up) = (view(gate, columns: width), view(up, columns: width))
        var products = ProductsOfOneInput(input, scratch: productScratch, worker: worker)
        if isGated { products.read(for: network.blocks[layer].gate) }
        products.read(for: network.blocks[layer].up)
        products.barrier()
        if isGated { products.multiply(network.blocks[layer].gate, into: gate) }
        products.multiply(network.blocks[layer].up, into: up)

        let result = isGated ? gate : up
        func activate(_ row: Int, _ columns: Range<Int>) {
            self.activate(
                layer, gate: gate.row(row) + columns.lowerBound, up: up.row(row) + columns.lowerBound, columns: columns)
        }
        let columns = network.blocks[layer].up.rowsPerMember(batch: input.rows, members: worker.count)
        let sameColumns =
            !isGated || columns == network.blocks[layer].gate.rowsPerMember(batch: input.rows, members: worker.count)
        if let columns, sameColumns {
            // What a member made of its columns is enough for it to go on.
            let own = worker.index * columns..<(worker.index + 1) * columns
            for row in 0..<result.rows { activate(row, own) }
        } else {
            worker.barrier()
            worker.forEachPiece(of: result) { row, columns in activate(row, columns) }
        }
        return result
    }
    /// Makes hidden features of a token's products: in the place of the gate's where there is one, else of the others.
    /// - Parameters:
    ///   - gate, up: the products of the first of these features.
    ///   - columns: which of the block's hidden features these are.
    func activate(
        _ layer: Int, gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, columns: Range<Int>
    ) {
        guard network.blocks[layer].isGated else {
            return network.blocks[layer].up.withBias { bias in
                network.blocks[layer].activation.apply(up, bias: bias.map { $0 + columns.lowerBound }, count: columns.count)
            }
        }
        network.blocks[layer].gate.addBias(to: gate, columns: columns)
        network.blocks[layer].up.addBias(to: up, columns: columns)
        network.blocks[layer].activation.apply(gate: gate, up: up, count: columns.count)
    }
}
