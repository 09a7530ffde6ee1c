import StructuredMatrices
import Synchronization
import Tensors

/// How much each neuron of a network's feed-forward parts did for the tokens of a prompt: the sum over tokens of the square of
/// its part in the token's hidden features, these brought to length 1.
struct NeuronActivity {
    /// By block; none where there is no feed-forward part.
    private var sums: [[Double]]

    init(_ network: Network) {
        sums = network.blocks.map { Array(repeating: 0, count: $0.sizes.feedForwardWidth) }
    }

    /// - Parameter hidden: tokens x neurons.
    mutating func add(_ hidden: MatrixView, of block: Int) {
        for token in 0..<hidden.rows {
            let row = UnsafeBufferPointer(start: hidden.row(token), count: hidden.columns)
            let squared = row.reduce(0.0) { $0 + Double($1) * Double($1) }
            guard squared > 0 else { continue }
            for (neuron, value) in row.enumerated() { sums[block][neuron] += Double(value) * Double(value) / squared }
        }
    }

    /// The most active of each block, the first of equals; ascending.
    func chosen(_ share: Double) -> [[Int]] {
        sums.map { sums in
            guard !sums.isEmpty else { return [] }
            let count = max(1, Int((share * Double(sums.count)).rounded()))
            let order = sums.indices.sorted { (sums[$1], $0) < (sums[$0], $1) }
            return order.prefix(count).sorted()
        }
    }
}

extension Network {
    /// The same with some neurons of each feed-forward part alone, laid out for products. Its matrices stay as they were: only
    /// the products are narrow, so that nothing else can be done with it than to run it.
    /// - Throws: `TransformersError.invalidOption` for matrices of other families than dense, and for experts.
    func keeping(_ neurons: [[Int]], _ options: PreparationOptions, context: ExecutionContext) throws -> Network {
        for block in blocks {
            for matrix in block.matrices where !matrix.isAttention {
                let family = type(of: block[matrix].weight).family.name
                guard block.experts == nil, block[matrix].weight is Dense else {
                    throw TransformersError.invalidOption(
                        name: "contextual sparsity", expected: "dense feed-forward matrices that run for every token",
                        got: block.experts == nil ? "'\(block.names.name(of: matrix))' of family \(family)" : "experts")
                }
            }
        }
        let source = blocks
        let made = Mutex<[Int: Block]>([:])
        context.parallelFor(blocks.count) { index in
            var block = source[index]
            let kept = neurons[index]
            guard kept.count < block.sizes.feedForwardWidth else { return }
            for matrix in block.matrices where !matrix.isAttention {
                guard let dense = block[matrix].weight as? Dense else { continue }
                let part = matrix == .down ? MatrixPart(columns: kept) : MatrixPart(rows: kept)
                var linear = block[matrix]
                linear.prepared = dense.prepared(parts: [part], options).first
                if matrix != .down { linear.bias = linear.bias.map { bias in kept.map { bias[$0] } } }
                block[matrix] = linear
            }
            block.sizes.feedForwardWidth = kept.count
            let narrow = block
            made.withLock { $0[index] = narrow }
        }
        var result = self
        for (index, block) in made.withLock({ $0 }) { result.blocks[index] = block }
        return result
    }

    /// With weights, of one token: of all matrices that are multiplied with.
    var multiplyAdds: Int {
        let head = headPlace.map { self[$0].weight.cost.multiplyAdds } ?? 0
        let outside = [Place.inputProjection, .outputProjection].reduce(head) { $0 + self[$1].weight.cost.multiplyAdds }
        return blocks.reduce(outside) { sum, block in
            block.matrices.reduce(sum) { sum, matrix in
                // Of narrowed feed-forward parts the products that are left.
                let shape = matrix.shape(block.sizes, block.stream)
                let whole = block[matrix].weight
                return sum + (whole.shape == shape ? whole.cost.multiplyAdds : shape.count)
            }
        }
    }
}
