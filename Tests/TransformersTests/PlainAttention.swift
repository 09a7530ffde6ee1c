import Foundation
import StructuredMatrices
import Tensors
import Transformers

/// A Llama of one layer whose feed-forward part adds nothing, written out in double precision.
struct PlainAttention {
    private let model: CausalTransformer
    private let configuration: LlamaConfiguration
    private let base = "model.layers.0.self_attn."

    init(_ model: CausalTransformer, _ configuration: LlamaConfiguration) {
        self.model = model
        self.configuration = configuration
    }

    /// tokens x vocabulary, row after row.
    func logits(_ tokens: [Int]) -> [Double] {
        let sizes = configuration
        let (dimension, group) = (sizes.headDimension, sizes.heads / sizes.keyValueHeads)
        let embedding = model[site: "model.embed_tokens"].dense()
        var hidden = tokens.map { token in (0..<sizes.hiddenSize).map { Double(embedding[token, $0]) } }
        let normed = hidden.map { normalised($0, norm("input_layernorm")) }
        let queries = rotated(normed.map { product("q_proj", $0) })
        let keys = rotated(normed.map { product("k_proj", $0) })
        let values = normed.map { product("v_proj", $0) }
        for token in tokens.indices {
            var mixed = [Double](repeating: 0, count: sizes.heads * dimension)
            for head in 0..<sizes.heads {
                let shared = head / group * dimension
                let scores = (0...token).map { other in
                    (0..<dimension).reduce(0) { $0 + queries[token][head * dimension + $1] * keys[other][shared + $1] }
                        / Double(dimension).squareRoot()
                }
                let top = scores.max() ?? 0, weights = scores.map { exp($0 - top) }
                let total = weights.reduce(0, +)
                for feature in 0..<dimension {
                    mixed[head * dimension + feature] =
                        (0...token).reduce(0) { $0 + weights[$1] * values[$1][shared + feature] } / total
                }
            }
            let update = product("o_proj", mixed)
            for index in update.indices { hidden[token][index] += update[index] }
        }
        return hidden.flatMap { row in
            let last = normalised(row, norm("norm"))
            return (0..<sizes.vocabularySize).map { token in
                (0..<sizes.hiddenSize).reduce(0) { $0 + Double(embedding[token, $1]) * last[$1] }
            }
        }
    }

    private func product(_ name: String, _ x: [Double]) -> [Double] {
        let weight = model[site: base + name].dense()
        return (0..<weight.rows).map { row in
            (0..<weight.columns).reduce(0) { $0 + Double(weight[row, $1]) * x[$1] }
        }
    }

    /// The norm weights are random tensors named after their place.
    private func norm(_ name: String) -> [Double] {
        let full = name == "norm" ? "model.norm.weight" : "model.layers.0.\(name).weight"
        let tensor = try? SmallModels.random(full, [configuration.hiddenSize])
        return ((try? tensor?.floats()) ?? []).map { Double($0) }
    }

    private func normalised(_ x: [Double], _ weight: [Double]) -> [Double] {
        let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
        let scale = 1 / (mean + Double(configuration.epsilon)).squareRoot()
        return x.indices.map { x[$0] * scale * weight[$0] }
    }

    private func rotated(_ rows: [[Double]]) -> [[Double]] {
        let dimension = configuration.headDimension, half = dimension / 2
        return rows.enumerated().map { position, row in
            var result = row
            for start in stride(from: 0, to: row.count, by: dimension) {
                for pair in 0..<half {
                    let angle = Double(position) * configuration.rotary.frequencies[pair]
                    let (a, b) = (row[start + pair], row[start + half + pair])
                    result[start + pair] = a * cos(angle) - b * sin(angle)
                    result[start + half + pair] = b * cos(angle) + a * sin(angle)
                }
            }
            return result
        }
    }
}
