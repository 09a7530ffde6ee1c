import Tensors

/// Layer normalisation of each token's features (Ba, Kiros, Hinton 2016, equation 4).
public struct LayerNorm: Sendable {
    public let weight: [Float]
    public let bias: [Float]
    public let epsilon: Float

    /// - Precondition: weight and bias have the same count.
    public init(weight: [Float], bias: [Float], epsilon: Float) {
        precondition(weight.count == bias.count)
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    /// y <- norm(y + x), row by row; without an x norm(y). Trusts shapes.
    func apply(_ y: MutableMatrixView, adding x: MatrixView?) {
        weight.withUnsafeBufferPointer { weight in
            bias.withUnsafeBufferPointer { bias in
                let source = x ?? y.readable
                Kernels.best.layerNorm(
                    source.base, source.rowStride, x == nil ? nil : UnsafePointer(y.base), y.rowStride,
                    weight.baseAddress, bias.baseAddress, y.base, y.rowStride, y.rows, y.columns, epsilon)
            }
        }
    }
}

/// Root-mean-square normalisation of each token's features (Zhang, Sennrich 2019, equation 4).
public struct RMSNorm: Sendable {
    public let weight: [Float]
    public let epsilon: Float

    public init(weight: [Float], epsilon: Float) {
        self.weight = weight
        self.epsilon = epsilon
    }

    /// y <- norm(x), row by row. Trusts shapes.
    func apply(_ x: MatrixView, into y: MutableMatrixView) {
        weight.withUnsafeBufferPointer { weight in
            Kernels.best.rmsNorm(
                x.base, x.rowStride, weight.baseAddress, y.base, y.rowStride, x.rows, x.columns, epsilon)
        }
    }
}
