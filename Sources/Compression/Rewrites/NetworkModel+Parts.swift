import LinearAlgebra
import ModelFiles
import Rewriting
import StructuredMatrices
import Tensors
import Transformers

/// A block's parts as methods see them, and as they leave them.
extension NetworkModel {
    private func dense(_ block: Int, _ matrix: BlockMatrix) -> DoubleMatrix {
        linear(block, matrix).weight.dense().converted()
    }

    private func bias(_ block: Int, _ matrix: BlockMatrix) -> [Double]? {
        linear(block, matrix).bias.map { $0.map(Double.init) }
    }

    private func precision(_ block: Int, _ matrix: BlockMatrix) -> Precision {
        (linear(block, matrix).weight as? Dense)?.weight.precision ?? .f32
    }

    /// The matrix in the precision that the block's had.
    private func stored(_ matrix: DoubleMatrix, like place: BlockMatrix, of block: Int) -> any StructuredMatrix {
        Dense(matrix.converted(to: Float.self), precision: precision(block, place))
    }

    /// The feed-forward part of a block; nil where it is gone.
    /// - Throws: `RewritingError`.
    func feedForwardPart(_ block: Int, _ moments: BlockMoments) throws -> ReducedPart? {
        guard blockSizes[block].feedForwardWidth > 0, let own = moments.inputs[inputName(block, .down)] else { return nil }
        let producers = (isGated(block) ? [dense(block, .gate)] : []) + [dense(block, .up)]
        return try ReducedPart(
            name: siteName(block, .down), weight: dense(block, .down), unitSize: 1, moments: own, producers: producers)
    }

    /// The attention of a block by key-value heads; nil where it is gone.
    /// - Throws: `RewritingError`.
    func attentionPart(_ block: Int, _ moments: BlockMoments) throws -> ReducedPart? {
        let sizes = blockSizes[block]
        guard sizes.heads > 0, let own = moments.inputs[inputName(block, .attentionOutput)] else { return nil }
        // With shared key-value heads a row of values makes several inputs, and none of the output's columns alone.
        let producers = sizes.heads == sizes.keyValueHeads ? [dense(block, .value)] : []
        return try ReducedPart(
            name: siteName(block, .attentionOutput), weight: dense(block, .attentionOutput),
            unitSize: sizes.heads / sizes.keyValueHeads * sizes.valueWidth, moments: own, producers: producers)
    }

    /// Parameters of a neuron and of a key-value head, biases left out.
    func neuronPrice(_ block: Int) -> Double { Double((isGated(block) ? 3 : 2) * linear(block, .down).weight.shape.rows) }
    func headPrice(_ block: Int) -> Double {
        let sizes = blockSizes[block]
        let group = sizes.heads / max(1, sizes.keyValueHeads)
        let width = linear(block, .attentionOutput).weight.shape.rows
        return Double(width * (group + 1) * (sizes.queryKeyWidth + sizes.valueWidth))
    }

    /// Keeps some neurons of a block; what reads them is `reduced`.
    mutating func narrowFeedForward(_ block: Int, keeping neurons: [Int], _ reduced: Compensation.Result) {
        var sizes = blockSizes[block]
        sizes.feedForwardWidth = neurons.count
        var matrices: [BlockMatrix: (weight: any StructuredMatrix, bias: [Float]?)] = [:]
        for place in isGated(block) ? [BlockMatrix.gate, .up] : [.up] {
            let bias = linear(block, place).bias.map { bias in neurons.map { bias[$0] } }
            matrices[place] = (stored(dense(block, place).keeping(rows: neurons), like: place, of: block), bias)
        }
        matrices[.down] = output(.down, of: block, reduced)
        setBlock(block, sizes: sizes, matrices: matrices)
    }

    /// Keeps some key-value heads of a block with the queries that read them.
    mutating func narrowAttention(_ block: Int, keeping heads: [Int], _ reduced: Compensation.Result) {
        var sizes = blockSizes[block]
        let group = sizes.heads / sizes.keyValueHeads
        func rows(_ width: Int, _ group: Int) -> [Int] { heads.flatMap { $0 * group * width..<($0 + 1) * group * width } }
        var matrices: [BlockMatrix: (weight: any StructuredMatrix, bias: [Float]?)] = [:]
        for (place, kept) in [
            (BlockMatrix.query, rows(sizes.queryKeyWidth, group)), (.key, rows(sizes.queryKeyWidth, 1)),
            (.value, rows(sizes.valueWidth, 1)),
        ] {
            let bias = linear(block, place).bias.map { bias in kept.map { bias[$0] } }
            matrices[place] = (stored(dense(block, place).keeping(rows: kept), like: place, of: block), bias)
        }
        matrices[.attentionOutput] = output(.attentionOutput, of: block, reduced)
        let pairs = sizes.queryKeyWidth / 2
        sizes.rotaryPairs = sizes.rotaryPairs.map { all in heads.flatMap { all[$0 * pairs..<($0 + 1) * pairs] } }
        sizes.keyValueHeads = heads.count
        sizes.heads = heads.count * group
        setBlock(block, sizes: sizes, matrices: matrices)
    }

    /// Puts a block's neurons into another order: neuron i is the one that was `order[i]`. Nothing changes but the order of sums.
    mutating func permuteNeurons(_ block: Int, _ order: [Int]) {
        guard order != Array(order.indices) else { return }
        var matrices: [BlockMatrix: (weight: any StructuredMatrix, bias: [Float]?)] = [:]
        for place in isGated(block) ? [BlockMatrix.gate, .up] : [.up] {
            let bias = linear(block, place).bias.map { bias in order.map { bias[$0] } }
            matrices[place] = (stored(dense(block, place).keeping(rows: order), like: place, of: block), bias)
        }
        let down = dense(block, .down)
        let moved = DoubleMatrix(rows: down.rows, columns: down.columns) { down[$0, order[$1]] }
        matrices[.down] = (stored(moved, like: .down, of: block), linear(block, .down).bias)
        setBlock(block, sizes: blockSizes[block], matrices: matrices)
    }

    private func output(
        _ place: BlockMatrix, of block: Int, _ reduced: Compensation.Result
    ) -> (weight: any StructuredMatrix, bias: [Float]?) {
        (stored(reduced.weight, like: place, of: block), summed(linear(block, place).bias, reduced.offset))
    }

    private func summed(_ bias: [Float]?, _ offset: [Double]?) -> [Float]? {
        guard let offset else { return bias }
        return offset.indices.map { Float(Double(bias?[$0] ?? 0) + offset[$0]) }
    }

    /// The key-value heads of a block.
    func attentionHeads(_ block: Int) -> [AttentionHead] {
        let sizes = blockSizes[block]
        let group = sizes.heads / sizes.keyValueHeads
        let (query, key) = (dense(block, .query), dense(block, .key))
        let (value, output) = (dense(block, .value), dense(block, .attentionOutput))
        func zeros(_ matrix: DoubleMatrix) -> [Double] { Array(repeating: 0, count: matrix.rows) }
        let (queryBias, keyBias) = (bias(block, .query) ?? zeros(query), bias(block, .key) ?? zeros(key))
        let valueBias = bias(block, .value) ?? zeros(value)
        func range(_ head: Int, _ width: Int) -> Range<Int> { head * width..<(head + 1) * width }
        return (0..<sizes.keyValueHeads).map { shared in
            let readers = shared * group..<(shared + 1) * group
            let (channels, values) = (range(shared, sizes.queryKeyWidth), range(shared, sizes.valueWidth))
            return AttentionHead(
                queries: readers.map { query.keeping(rows: Array(range($0, sizes.queryKeyWidth))) },
                queryBiases: readers.map { Array(queryBias[range($0, sizes.queryKeyWidth)]) },
                key: key.keeping(rows: Array(channels)), keyBias: Array(keyBias[channels]),
                value: value.keeping(rows: Array(values)), valueBias: Array(valueBias[values]),
                outputs: readers.map {
                    output.block(rows: 0..<output.rows, columns: range($0, sizes.valueWidth))
                })
        }
    }

    mutating func setAttentionHeads(_ block: Int, _ narrowed: NarrowedHeads) {
        setAttentionHeads(block, narrowed.heads, rotaryPairs: narrowed.rotaryPairs, offset: narrowed.offset)
    }

    /// Puts narrowed heads back. `offset` joins the output's bias.
    mutating func setAttentionHeads(_ block: Int, _ heads: [AttentionHead], rotaryPairs: [Int]?, offset: [Double]?) {
        guard let first = heads.first else { return }
        var sizes = blockSizes[block]
        sizes.queryKeyWidth = first.key.rows
        let widths = heads.map(\.value.rows)
        sizes.valueWidth = widths.max() ?? first.value.rows
        sizes.valueWidths = widths.allSatisfy { $0 == widths[0] } ? nil : widths
        sizes.rotaryPairs = rotaryPairs
        func bias(_ place: BlockMatrix, _ values: [Double]) -> [Float]? {
            linear(block, place).bias == nil && values.allSatisfy { $0 == 0 } ? nil : values.map(Float.init)
        }
        func place(_ place: BlockMatrix, _ blocks: [DoubleMatrix], _ biases: [Double]) -> (any StructuredMatrix, [Float]?) {
            (stored(.stacking(blocks), like: place, of: block), bias(place, biases))
        }
        let outputs = heads.flatMap(\.outputs).map { $0.transposed() }
        let matrices: [BlockMatrix: (weight: any StructuredMatrix, bias: [Float]?)] = [
            .query: place(.query, heads.flatMap(\.queries), heads.flatMap { $0.queryBiases.flatMap { $0 } }),
            .key: place(.key, heads.map(\.key), heads.flatMap(\.keyBias)),
            .value: place(.value, heads.map(\.value), heads.flatMap(\.valueBias)),
            .attentionOutput: (
                stored(DoubleMatrix.stacking(outputs).transposed(), like: .attentionOutput, of: block),
                summed(linear(block, .attentionOutput).bias, offset)
            ),
        ]
        setBlock(block, sizes: sizes, matrices: matrices)
    }

    /// Takes a whole block's parts away. Where norms stand first the stream then goes past it as it is; where they stand last
    /// they stay, and so do the biases that they were made for.
    mutating func dropBlock(_ block: Int) {
        let outputs = normalizesFirst ? [BlockMatrix.attentionOutput, .down] : []
        setBlock(
            block, sizes: BlockSizes(heads: 0, keyValueHeads: 0, queryKeyWidth: 0, valueWidth: 0, feedForwardWidth: 0),
            matrices: Dictionary(uniqueKeysWithValues: outputs.map { ($0, (weight: linear(block, $0).weight, bias: nil)) }))
    }

    /// Parameters of all matrices in blocks.
    var blockParameters: Int {
        blockSizes.indices.reduce(0) { sum, block in
            BlockMatrix.allCases.reduce(sum) { $0 + linear(block, $1).weight.cost.parameters }
        }
    }

    /// Of routers and what stands for experts that are left out.
    var expertParameters: Int { blockSizes.indices.reduce(0) { $0 + (experts($1)?.parameters ?? 0) } }
}

extension DenseMatrix {
    fileprivate func keeping(rows indices: [Int]) -> Self {
        Self(rows: indices.count, columns: columns) { self[indices[$0], $1] }
    }

    fileprivate static func stacking(_ blocks: [Self]) -> Self {
        Self(
            rows: blocks.reduce(0) { $0 + $1.rows }, columns: blocks.first?.columns ?? 0,
            elements: blocks.flatMap(\.elements))
    }
}
