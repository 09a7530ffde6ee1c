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

    /// x <- norm(x + residual), row by row, in place; without a residual norm(x). Trusts shapes.
    func apply(_ x: MutableMatrixView, residual: MatrixView?, context: ExecutionContext) {
        context.forEachRowBlock(rows: x.rows, columns: x.columns) { rows in
            weight.withUnsafeBufferPointer { weight in
                bias.withUnsafeBufferPointer { bias in
                    let block = x.rows(rows)
                    Kernels.best.layerNorm(
                        UnsafePointer(block.base), block.rowStride, residual?.rows(rows).base,
                        residual?.rowStride ?? 0,
                        weight.baseAddress, bias.baseAddress, block.base, block.rowStride,
                        block.rows, block.columns, epsilon)
                }
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
    func apply(_ x: MatrixView, into y: MutableMatrixView, context: ExecutionContext) {
        context.forEachRowBlock(rows: x.rows, columns: x.columns) { rows in
            weight.withUnsafeBufferPointer { weight in
                let (source, target) = (x.rows(rows), y.rows(rows))
                Kernels.best.rmsNorm(
                    source.base, source.rowStride, weight.baseAddress, target.base, target.rowStride,
                    source.rows, source.columns, epsilon)
            }
        }
    }
}
