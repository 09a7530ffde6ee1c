import LinearAlgebra
import ModelFiles
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
        let places = sizes.indices.flatMap { block in (0..<sizes[block].keyValueHeads).map { (block, $0) } }
        let blocks = model.coupling.blocks.map(\.name)
        @Sendable func name(_ what: String, _ place: (block: Int, head: Int)) -> String {
            "\(what) of head \(place.head) of \(blocks[place.block])"
        }
        var features: [String: Int] = [:]
        for place in places {
            features[name("keys", place)] = sizes[place.0].queryKeyWidth
            features[name("values", place)] = sizes[place.0].valueWidth
        }
        var sums = MomentSums(features: features, withMeans: true)
        for (index, sequence) in sequences.enumerated() {
            progress(index, sequences.count)
            let cache = try causal.prefill(sequence, context: context).cache
            for place in places {
                let kept = cache.head(place.1, layer: place.0)
                kept.keys.withView { sums.see(name("keys", place), $0) }
                kept.values.withView { sums.see(name("values", place), $0) }
            }
            sums.addFull(context)
        }
        sums.add(context)
        progress(sequences.count, sequences.count)
        let (all, tokens) = (sums, sequences.reduce(0) { $0 + $1.count })
        let heads = try context.parallelMap(places.count) { index in
            try ["keys", "values"].map { try Head(all.take(name($0, places[index]), tokens: tokens)) }
        }
        func gathered(_ side: Int) -> [[Head]] {
            var result = Array(repeating: [Head](), count: sizes.count)
            for (place, head) in zip(places, heads) { result[place.0].append(head[side]) }
            return result
        }
        (keys, values) = (gathered(0), gathered(1))
    }
}

extension CacheBases.Head {
    fileprivate init(_ moments: InputMoments) throws {
        self.init(basis: try StreamBasis(.principal, second: moments.covariance), mean: moments.mean)
    }
}

extension CacheBases: JournaledMatrices {
    var journaled: [(name: String, matrix: DoubleMatrix)] {
        [("keys", keys), ("values", values)].flatMap { side, blocks in
            blocks.enumerated().flatMap { block, heads in
                heads.enumerated().flatMap { index, head in
                    (head.basis.journaled + [("mean", DoubleMatrix(row: head.mean))])
                        .map { ("\(side) \(block) \(index) \($0.name)", $0.matrix) }
                }
            }
        } + [("blocks", DoubleMatrix(row: [keys.count]))]
    }

    init?(journaled: [String: DoubleMatrix]) {
        guard let count = journaled["blocks"]?.indices, count.count == 1, count[0] < 1 << 20 else { return nil }
        func heads(_ side: String, _ block: Int) -> [Head] {
            var heads: [Head] = []
            while let mean = journaled["\(side) \(block) \(heads.count) mean"]?.elements,
                let basis = StreamBasis(journaled: journaled, of: "\(side) \(block) \(heads.count) "),
                basis.directions.rows == mean.count
            {
                heads.append(Head(basis: basis, mean: mean))
            }
            return heads
        }
        keys = (0..<count[0]).map { heads("keys", $0) }
        values = (0..<count[0]).map { heads("values", $0) }
    }

    /// Whether these are directions of all heads of blocks of these sizes.
    func fit(_ sizes: [BlockSizes]) -> Bool {
        keys.count == sizes.count
            && zip(sizes, zip(keys, values)).allSatisfy { own, heads in
                heads.0.count == own.keyValueHeads && heads.1.count == own.keyValueHeads
                    && heads.0.allSatisfy { $0.mean.count == own.queryKeyWidth && $0.basis.energies.count == own.queryKeyWidth }
                    && heads.1.allSatisfy { $0.mean.count == own.valueWidth && $0.basis.energies.count == own.valueWidth }
            }
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
