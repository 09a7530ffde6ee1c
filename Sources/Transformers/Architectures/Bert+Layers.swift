import StructuredMatrices
import Tensors

extension BertEncoder: LayeredModel {
    public var layerCount: Int { layers.count }

    public func states(_ sequences: [[Int]], context: ExecutionContext) throws -> Matrix {
        try check(sequences)
        return run(0..<0, on: nil, of: sequences, context: context, isObserved: false) { _, _ in }
    }

    public func run(
        _ layers: Range<Int>, on states: Matrix, of sequences: [[Int]], context: ExecutionContext,
        observer: ActivationObserver
    ) throws -> Matrix {
        try check(sequences)
        return run(layers, on: states, of: sequences, context: context, isObserved: true, observer: observer)
    }

    private func run(
        _ layers: Range<Int>, on states: Matrix?, of sequences: [[Int]], context: ExecutionContext, isObserved: Bool,
        observer: ActivationObserver
    ) -> Matrix {
        var result: [Float] = []
        for run in SequenceBatch.runs(sequences, maximumTokens: Self.tokensPerBatch) {
            let batch = SequenceBatch(sequences[run])
            let first = result.count / dimension
            let own = states?.block(rows: first..<first + batch.tokens.count, columns: 0..<dimension)
            forward(
                batch, layers: layers, states: own, context: context, isObserved: isObserved, observer: observer
            ) { hidden in
                result += UnsafeBufferPointer(start: hidden.base, count: hidden.rows * hidden.columns)
            }
        }
        return Matrix(rows: result.count / dimension, columns: dimension, elements: result)
    }

    public var norms: [NormSite] {
        let first = NormSite(name: "\(prefix)embeddings.LayerNorm", layer: -1, output: .states)
        return layers.indices.reduce(into: [first]) { norms, index in
            let base = Self.layerName(prefix, index)
            norms.append(
                NormSite(
                    name: "\(base).attention.output.LayerNorm", layer: index,
                    output: .input(LayerInputs(base).intermediate)))
            norms.append(NormSite(name: "\(base).output.LayerNorm", layer: index, output: .states))
        }
    }

    public subscript(norm name: String) -> NormValues {
        get {
            let norm = self[keyPath: normPath(name)]
            return NormValues(gain: norm.weight, shift: norm.bias)
        }
        set {
            let old = self[keyPath: normPath(name)]
            self[keyPath: normPath(name)] = LayerNorm(
                weight: newValue.gain, bias: newValue.shift ?? old.bias, epsilon: old.epsilon)
        }
    }

    private func normPath(_ name: String) -> WritableKeyPath<Self, LayerNorm> {
        for index in layers.indices {
            let base = Self.layerName(prefix, index)
            if name == "\(base).attention.output.LayerNorm" { return \.layers[index].attentionNorm }
            if name == "\(base).output.LayerNorm" { return \.layers[index].outputNorm }
        }
        precondition(name == "\(prefix)embeddings.LayerNorm", "no norm '\(name)' in this model")
        return \.embeddingNorm
    }

    public subscript(bias site: String) -> [Float]? {
        get { linearPath(site).flatMap { self[keyPath: $0].bias } }
        set { if let path = linearPath(site), let newValue { self[keyPath: path].bias = newValue } }
    }

    /// Nil for tables.
    private func linearPath(_ site: String) -> WritableKeyPath<Self, Linear>? {
        for index in layers.indices {
            let base = Self.layerName(prefix, index)
            guard site.hasPrefix("\(base).") else { continue }
            switch site.dropFirst(base.count + 1) {
            case "attention.self.query": return \.layers[index].query
            case "attention.self.key": return \.layers[index].key
            case "attention.self.value": return \.layers[index].value
            case "attention.output.dense": return \.layers[index].attentionOutput
            case "intermediate.dense": return \.layers[index].intermediate
            case "output.dense": return \.layers[index].output
            default: continue
            }
        }
        return nil
    }

    public func residual(of site: String) -> NormSite.Output? {
        for index in layers.indices {
            let base = Self.layerName(prefix, index)
            if site == "\(base).attention.output.dense" { return .states }
            if site == "\(base).output.dense" { return .input(LayerInputs(base).intermediate) }
        }
        return nil
    }
}
