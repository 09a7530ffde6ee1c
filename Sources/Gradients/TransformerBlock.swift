import LinearAlgebra
import Tensors

/// One block of a transformer as numbers that can be differentiated: attention and a feed-forward part around a residual
/// stream, normalised before each part or after it.
public struct TransformerBlock: Sendable {
    public var normalisesFirst: Bool
    public var attentionNorm: TokenNorm
    public var query, key, value, output: AffineMap
    public var attention: AttentionCore
    public var feedForwardNorm: TokenNorm
    /// Nil where the part has no gate: down(f(up x)); with one down(f(gate x) * up x).
    public var gate: AffineMap?
    public var up, down: AffineMap
    public var activation: Activation

    public init(
        normalisesFirst: Bool, attentionNorm: TokenNorm, query: AffineMap, key: AffineMap, value: AffineMap,
        output: AffineMap, attention: AttentionCore, feedForwardNorm: TokenNorm, gate: AffineMap?, up: AffineMap,
        down: AffineMap, activation: Activation
    ) {
        self.normalisesFirst = normalisesFirst
        self.attentionNorm = attentionNorm
        (self.query, self.key, self.value, self.output) = (query, key, value, output)
        self.attention = attention
        self.feedForwardNorm = feedForwardNorm
        (self.gate, self.up, self.down) = (gate, up, down)
        self.activation = activation
    }

    /// Derivatives by a block's matrices and biases.
    public struct Gradient: Sendable {
        public var query, key, value, output: AffineGradient
        public var gate: AffineGradient?
        public var up, down: AffineGradient

        mutating func add(_ other: Gradient) {
            query.add(other.query)
            key.add(other.key)
            value.add(other.value)
            output.add(other.output)
            if let more = other.gate { gate?.add(more) }
            up.add(other.up)
            down.add(other.down)
        }
    }

    /// What the way back needs of the way there.
    struct Trace {
        let attentionInput, mixed, afterAttention, feedForwardInput, wide: DoubleMatrix
        let attention: AttentionCore.Trace
        let gated: DoubleMatrix?
        let raised: DoubleMatrix
        /// What entered the norms.
        let normInputs: (DoubleMatrix, DoubleMatrix)
    }

    func forward(_ stream: DoubleMatrix) -> (output: DoubleMatrix, trace: Trace) {
        let input = normalisesFirst ? attentionNorm(stream) : stream
        let (mixed, attended) = attention(queries: query(input), keys: key(input), values: value(input))
        let sum = stream + output(mixed)
        let middle = normalisesFirst ? sum : attentionNorm(sum)
        let wideInput = normalisesFirst ? feedForwardNorm(middle) : middle
        let raised = up(wideInput)
        let gated = gate.map { $0(wideInput) }
        var wide = (gated ?? raised).mapped(activation.value)
        if gated != nil { wide = wide.times(raised) }
        let end = middle + down(wide)
        let trace = Trace(
            attentionInput: input, mixed: mixed, afterAttention: middle, feedForwardInput: wideInput, wide: wide,
            attention: attended, gated: gated, raised: raised,
            normInputs: normalisesFirst ? (stream, middle) : (sum, end))
        return (normalisesFirst ? end : feedForwardNorm(end), trace)
    }

    /// From derivatives by the block's output to those by its matrices and by its input.
    func backward(_ outputs: DoubleMatrix, _ trace: Trace) -> (gradient: Gradient, input: DoubleMatrix) {
        let end = normalisesFirst ? outputs : feedForwardNorm.backward(outputs, inputs: trace.normInputs.1).inputs
        let (downGradient, wide) = down.backward(end, inputs: trace.wide)
        var gateGradient: AffineGradient?
        let upGradient: AffineGradient
        var wideInput: DoubleMatrix
        if let gate, let gated = trace.gated {
            let through = wide.times(trace.raised).times(gated.mapped(activation.derivative))
            let (own, first) = gate.backward(through, inputs: trace.feedForwardInput)
            let (other, second) = up.backward(wide.times(gated.mapped(activation.value)), inputs: trace.feedForwardInput)
            (gateGradient, upGradient, wideInput) = (own, other, first + second)
        } else {
            let through = wide.times(trace.raised.mapped(activation.derivative))
            (upGradient, wideInput) = up.backward(through, inputs: trace.feedForwardInput)
        }
        if normalisesFirst { wideInput = feedForwardNorm.backward(wideInput, inputs: trace.normInputs.1).inputs }
        let middle = end + wideInput
        let sum = normalisesFirst ? middle : attentionNorm.backward(middle, inputs: trace.normInputs.0).inputs

        let (outputGradient, mixed) = output.backward(sum, inputs: trace.mixed)
        let (queries, keys, values) = attention.backward(mixed, trace.attention)
        let (queryGradient, fromQuery) = query.backward(queries, inputs: trace.attentionInput)
        let (keyGradient, fromKey) = key.backward(keys, inputs: trace.attentionInput)
        let (valueGradient, fromValue) = value.backward(values, inputs: trace.attentionInput)
        var input = fromQuery + fromKey + fromValue
        if normalisesFirst { input = attentionNorm.backward(input, inputs: trace.normInputs.0).inputs }
        let gradient = Gradient(
            query: queryGradient, key: keyGradient, value: valueGradient, output: outputGradient, gate: gateGradient,
            up: upGradient, down: downGradient)
        return (gradient, sum + input)
    }
}

extension DenseMatrix<Double> {
    func mapped(_ function: (Double) -> Double) -> Self {
        Self(rows: rows, columns: columns, elements: elements.map(function))
    }
}
