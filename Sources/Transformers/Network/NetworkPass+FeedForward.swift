import Tensors

extension NetworkPass {
    /// A member's share of a feed-forward network's hidden features, tokens x feedForwardWidth: activation(up x + bias), or
    /// activation(gate x + bias) * (up x + bias); complete after the next barrier.
    func expand(_ block: Block, _ input: MatrixView, _ worker: Worker) -> MutableMatrixView {
        let width = block.sizes.feedForwardWidth
        let isGated = block.isGated
        let (gate, up) = (view(gate, columns: width), view(up, columns: width))
        var products = ProductsOfOneInput(input, scratch: productScratch, worker: worker)
        if isGated { products.read(for: block.gate) }
        products.read(for: block.up)
        products.barrier()
        if isGated { products.multiply(block.gate, into: gate) }
        products.multiply(block.up, into: up)

        let result = isGated ? gate : up
        func activate(_ row: Int, _ columns: Range<Int>) {
            self.activate(
                block, gate: gate.row(row) + columns.lowerBound, up: up.row(row) + columns.lowerBound, columns: columns)
        }
        let columns = block.up.rowsPerMember(batch: input.rows, members: worker.count)
        let sameColumns =
            !isGated || columns == block.gate.rowsPerMember(batch: input.rows, members: worker.count)
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
        _ block: Block, gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, columns: Range<Int>
    ) {
        guard block.isGated else {
            return block.up.withBias { bias in
                block.activation.apply(up, bias: bias.map { $0 + columns.lowerBound }, count: columns.count)
            }
        }
        block.gate.addBias(to: gate, columns: columns)
        block.up.addBias(to: up, columns: columns)
        block.activation.apply(gate: gate, up: up, count: columns.count)
    }
}
