import LinearAlgebra
import Rewriting
import StructuredMatrices
import Tensors
import Transformers

/// Directions in which heads keep their keys and values: principal ones of what a cache holds, keys after rotary positions, with
/// the mean taken off (MatryoshkaKV, arXiv 2410.14731, the start of its training).
package struct CacheBases: Sendable {
    package struct Head: Sendable {
        package let basis: StreamBasis
        package let mean: [Double]
        /// Mean square along each direction that is not kept, for every rank from 0 to all.
        package var errors: [Double] {
            basis.energies.reversed().reduce(into: [0]) { $0.append($0[$0.count - 1] + max(0, $1)) }.reversed()
        }
    }

    /// Block after block, key-value head after key-value head.
    package let keys: [[Head]]
    package let values: [[Head]]

    /// Runs the model over the sequences and reads its caches. Memory: the moments, features^2 doubles a head.
    /// - Throws: `RewritingError.noCache` for a model that is not causal; `TransformersError`, `LinearAlgebraError`.
    package init(
        _ model: any NetworkModel, sequences: [[Int]], context: ExecutionContext,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws {
        guard let causal = model as? any CausalModel else {
            throw RewritingError.noCache(part: model.coupling.blocks[0].name)
        }
        let sizes = model.blockSizes
        var sums = sizes.map { sizes in
            Array(
                repeating: (
                    keys: HeadMoments(columns: sizes.queryKeyWidth), values: HeadMoments(columns: sizes.valueWidth)
                ), count: sizes.keyValueHeads)
        }
        for (index, sequence) in sequences.enumerated() {
            progress(index, sequences.count)
            let cache = try causal.prefill(sequence, context: context).cache
            for block in sums.indices {
                for head in sums[block].indices {
                    let kept = cache.head(head, layer: block)
                    sums[block][head].keys.add(kept.keys)
                    sums[block][head].values.add(kept.values)
                }
            }
        }
        progress(sequences.count, sequences.count)
        let all = sums
        let sides = try context.parallelMap(all.count) { block in
            try all[block].map { (keys: try $0.keys.head(), values: try $0.values.head()) }
        }
        keys = sides.map { $0.map(\.keys) }
        values = sides.map { $0.map(\.values) }
    }
}

private struct HeadMoments: Sendable {
    private var second: DoubleMatrix
    private var sum: [Double]
    private var tokens = 0

    init(columns: Int) {
        second = DoubleMatrix(rows: columns, columns: columns)
        sum = Array(repeating: 0, count: columns)
    }

    mutating func add(_ kept: Matrix) {
        second.addGramian(of: kept.converted())
        for row in 0..<kept.rows {
            for (column, value) in kept.row(row).enumerated() { sum[column] += Double(value) }
        }
        tokens += kept.rows
    }

    func head() throws -> CacheBases.Head {
        let share = 1 / Double(max(1, tokens))
        let mean = sum.map { $0 * share }
        let covariance = DoubleMatrix(rows: second.rows, columns: second.columns) { row, column in
            second[row, column] * share - mean[row] * mean[column]
        }
        return CacheBases.Head(basis: try StreamBasis(.principal, second: covariance), mean: mean)
    }
}

extension NetworkModel {
    /// Keeps some of the directions of a block's keys and values. Those of values go into the matrices around them:
    /// W_v <- U^T W_v, W_o <- W_o U, and the mean into the biases; those of keys are applied behind rotary positions, to queries
    /// too. With all directions nothing changes.
    /// - Parameters:
    ///   - keyRanks, valueRanks: of each key-value head.
    package mutating func narrowCache(
        _ block: Int, keys: [CacheBases.Head], values: [CacheBases.Head], keyRanks: [Int], valueRanks: [Int]
    ) {
        var offset = Array(repeating: 0.0, count: linear(block, .attentionOutput).weight.shape.rows)
        var heads = attentionHeads(block)
        for (index, rank) in valueRanks.enumerated() {
            let (directions, mean) = (values[index].basis.leading(rank), values[index].mean)
            let column = DoubleMatrix(rows: mean.count, columns: 1, elements: mean)
            let bias = zip(heads[index].valueBias, mean).map { $0 - $1 }
            heads[index].value = directions.multiplied(by: heads[index].value, transposeSelf: true)
            heads[index].valueBias = directions.multiplied(
                by: DoubleMatrix(rows: bias.count, columns: 1, elements: bias), transposeSelf: true
            ).elements
            for reader in heads[index].outputs.indices {
                let output = heads[index].outputs[reader]
                for (row, value) in output.multiplied(by: column).elements.enumerated() { offset[row] += value }
                heads[index].outputs[reader] = output.multiplied(by: directions)
            }
        }
        setAttentionHeads(block, heads, rotaryPairs: blockSizes[block].rotaryPairs, offset: offset)
        setKeyBasis(
            block,
            directions: zip(keys, keyRanks).map { $0.basis.leading($1).transposed().converted(to: Float.self) },
            means: keys.map { $0.mean.map(Float.init) })
    }

    /// Numbers of a token that caches keep.
    package var cachedNumbers: Int { blockSizes.reduce(0) { $0 + $1.cachedNumbers } }
}
