import StructuredMatrices
import Tensors

extension LlamaModel: LayeredModel {
    public var layerCount: Int { layers.count }

    public func states(_ sequences: [[Int]], context: ExecutionContext) throws -> Matrix {
        try check(sequences)
        return embedding.gather(rows: sequences.flatMap { $0 })
    }

    public func run(
        _ layers: Range<Int>, on states: Matrix, of sequences: [[Int]], context: ExecutionContext,
        observer: ActivationObserver
    ) throws -> Matrix {
        try check(sequences)
        let width = configuration.hiddenSize
        var result: [Float] = []
        for run in SequenceBatch.runs(sequences, maximumTokens: Self.tokensPerBatch) {
            let batch = SequenceBatch(sequences[run])
            let first = result.count / width
            let own = states.block(rows: first..<first + batch.tokens.count, columns: 0..<width)
            // The head's input is shown of as many tokens as are wanted.
            let isLast = layers.upperBound == layerCount
            self.run(
                batch, layers: layers, states: own, caches: [], wanted: isLast ? Array(batch.tokens.indices) : [],
                scores: nil, context: context, isObserved: true,
                observer: { name, activations in if isLast || name != Self.headInput { observer(name, activations) } },
                body: { result += UnsafeBufferPointer(start: $0.base, count: $0.rows * $0.columns) })
        }
        return Matrix(rows: result.count / width, columns: width, elements: result)
    }

    public var norms: [NormSite] {
        let inner = layers.indices.flatMap { index in
            let base = Self.layerName(prefix, index)
            let inputs = LayerInputs(base)
            return [
                NormSite(name: "\(base).input_layernorm", layer: index, output: .input(inputs.attention)),
                NormSite(name: "\(base).post_attention_layernorm", layer: index, output: .input(inputs.feedForward)),
            ]
        }
        return inner + [NormSite(name: "\(prefix)norm", layer: layers.count - 1, output: .input(Self.headInput))]
    }

    public subscript(norm name: String) -> NormValues {
        get { NormValues(gain: self[keyPath: normPath(name)].weight) }
        set { self[keyPath: normPath(name)] = RMSNorm(weight: newValue.gain, epsilon: self[keyPath: normPath(name)].epsilon) }
    }

    private func normPath(_ name: String) -> WritableKeyPath<Self, RMSNorm> {
        for index in layers.indices {
            let base = Self.layerName(prefix, index)
            if name == "\(base).input_layernorm" { return \.layers[index].attentionNorm }
            if name == "\(base).post_attention_layernorm" { return \.layers[index].feedForwardNorm }
        }
        precondition(name == "\(prefix)norm", "no norm '\(name)' in this model")
        return \.finalNorm
    }

    public subscript(bias site: String) -> [Float]? {
        get { linearPath(site).flatMap { self[keyPath: $0].bias } }
        set {
            guard let path = linearPath(site), let newValue, self[keyPath: path].bias != nil else { return }
            self[keyPath: path].bias = newValue
        }
    }

    /// Nil for the table and the head.
    private func linearPath(_ site: String) -> WritableKeyPath<Self, Linear>? {
        for index in layers.indices {
            let base = Self.layerName(prefix, index)
            guard site.hasPrefix("\(base).") else { continue }
            switch site.dropFirst(base.count + 1) {
            case "self_attn.q_proj": return \.layers[index].query
            case "self_attn.k_proj": return \.layers[index].key
            case "self_attn.v_proj": return \.layers[index].value
            case "self_attn.o_proj": return \.layers[index].attentionOutput
            case "mlp.gate_proj": return \.layers[index].gate
            case "mlp.up_proj": return \.layers[index].up
            case "mlp.down_proj": return \.layers[index].down
            default: continue
            }
        }
        return nil
    }

    /// The feed-forward network's outputs are added to a sum that no matrix reads as it is.
    public func residual(of site: String) -> NormSite.Output? {
        layers.indices.contains { site == "\(Self.layerName(prefix, $0)).self_attn.o_proj" } ? .states : nil
    }
}
