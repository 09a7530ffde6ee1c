import LinearAlgebra
import ModelFiles
import Rewriting
import Tensors
import Transformers

/// The units of a part that stay, and what takes over from the others.
struct NarrowedUnits: Sendable {
    let units: [Int]
    let reduced: Compensation.Result
}

/// A block's key-value heads at other widths.
struct NarrowedHeads: Sendable {
    let heads: [AttentionHead]
    /// Of models with rotary positions, as `BlockSizes.rotaryPairs`.
    let rotaryPairs: [Int]?
    /// What joins the output's bias.
    let offset: [Double]?
}

extension NarrowedUnits: JournaledMatrices {
    var journaled: [(name: String, matrix: DoubleMatrix)] {
        [("units", DoubleMatrix(row: units)), ("inputs", DoubleMatrix(row: reduced.inputs)), ("weight", reduced.weight)]
            + (reduced.offset.map { [("offset", DoubleMatrix(row: $0))] } ?? [])
    }

    init?(journaled: [String: DoubleMatrix]) {
        guard let units = journaled["units"]?.indices, let inputs = journaled["inputs"]?.indices,
            let weight = journaled["weight"], weight.columns == inputs.count
        else { return nil }
        self.init(
            units: units,
            reduced: Compensation.Result(inputs: inputs, weight: weight, offset: journaled["offset"]?.elements))
    }
}

extension NarrowedHeads: JournaledMatrices {
    var journaled: [(name: String, matrix: DoubleMatrix)] {
        let parts = heads.enumerated().flatMap { index, head in
            let readers = head.queries.indices.flatMap { reader in
                [
                    ("queries \(index) \(reader)", head.queries[reader]),
                    ("query biases \(index) \(reader)", DoubleMatrix(row: head.queryBiases[reader])),
                    ("outputs \(index) \(reader)", head.outputs[reader]),
                ]
            }
            return readers + [
                ("key \(index)", head.key), ("key bias \(index)", DoubleMatrix(row: head.keyBias)),
                ("value \(index)", head.value), ("value bias \(index)", DoubleMatrix(row: head.valueBias)),
            ]
        }
        return parts + (rotaryPairs.map { [("rotary pairs", DoubleMatrix(row: $0))] } ?? [])
            + (offset.map { [("offset", DoubleMatrix(row: $0))] } ?? [])
    }

    init?(journaled: [String: DoubleMatrix]) {
        var heads: [AttentionHead] = []
        while let key = journaled["key \(heads.count)"] {
            let index = heads.count
            var (queries, biases, outputs): ([DoubleMatrix], [[Double]], [DoubleMatrix]) = ([], [], [])
            while let query = journaled["queries \(index) \(queries.count)"] {
                guard let bias = journaled["query biases \(index) \(queries.count)"],
                    let output = journaled["outputs \(index) \(queries.count)"]
                else { return nil }
                queries.append(query)
                biases.append(bias.elements)
                outputs.append(output)
            }
            guard let keyBias = journaled["key bias \(index)"], let value = journaled["value \(index)"],
                let valueBias = journaled["value bias \(index)"]
            else { return nil }
            heads.append(
                AttentionHead(
                    queries: queries, queryBiases: biases, key: key, keyBias: keyBias.elements, value: value,
                    valueBias: valueBias.elements, outputs: outputs))
        }
        guard !heads.isEmpty else { return nil }
        self.init(
            heads: heads, rotaryPairs: journaled["rotary pairs"]?.indices, offset: journaled["offset"]?.elements)
    }

    /// Whether all is as wide as `sizes` says.
    func fit(_ sizes: (queryKeyWidth: Int, valueWidth: Int), heads count: Int, readers: Int) -> Bool {
        heads.count == count && heads.allSatisfy { head in
            head.queries.count == readers && head.key.rows == sizes.queryKeyWidth && head.value.rows == sizes.valueWidth
                && head.queries.allSatisfy { $0.rows == sizes.queryKeyWidth }
                && head.outputs.allSatisfy { $0.columns == sizes.valueWidth }
        }
    }
}

extension ExpertCutter.Cut: JournaledMatrices {
    var journaled: [(name: String, matrix: DoubleMatrix)] {
        let sizes = experts.sizes
        return [
            ("sizes", DoubleMatrix(row: [sizes.count, sizes.active])), ("neurons", DoubleMatrix(row: neurons)),
            ("router", experts.router.converted()), ("bias", DoubleMatrix(row: experts.bias.map(Double.init))),
            ("errors", DoubleMatrix(row: [error, leastError])),
        ] + (experts.means.map { [("means", $0.converted())] } ?? [])
    }

    init?(journaled: [String: DoubleMatrix]) {
        guard let sizes = journaled["sizes"]?.indices, sizes.count == 2, let neurons = journaled["neurons"]?.indices,
            let router = journaled["router"], router.rows == sizes[0], let bias = journaled["bias"]?.elements,
            bias.count == sizes[0], let errors = journaled["errors"]?.elements, errors.count == 2
        else { return nil }
        let means = journaled["means"]
        guard means.map({ $0.rows == router.rows && $0.columns == router.columns }) ?? true else { return nil }
        self.init(
            neurons: neurons,
            experts: RoutedExperts(
                sizes: ExpertSizes(count: sizes[0], active: sizes[1], substitute: means == nil ? .scale : .means),
                router: router.converted(), bias: bias.map(Float.init), means: means.map { $0.converted() }),
            error: errors[0], leastError: errors[1])
    }
}
