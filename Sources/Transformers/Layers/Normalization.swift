import Tensors

/// Normalisation of each token's features.
public struct Norm: Sendable, Equatable {
    public enum Kind: String, Sendable, Hashable {
        /// Ba, Kiros, Hinton 2016, equation 4.
        case layer
        /// Zhang, Sennrich 2019, equation 4; without a bias.
        case rootMeanSquare
    }

    public let kind: Kind
    public internal(set) var weight: [Float]
    /// Empty for the root mean square.
    public internal(set) var bias: [Float]
    public let epsilon: Float

    /// - Precondition: a layer norm's weight and bias have the same count.
    public init(kind: Kind, weight: [Float], bias: [Float], epsilon: Float) {
        precondition(bias.count == (kind == .layer ? weight.count : 0))
        self.kind = kind
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    /// What stands where a block has no norm because it has no such part.
    static let none = Norm(kind: .rootMeanSquare, weight: [], bias: [], epsilon: 1)

    /// y <- norm(x), row by row; x may be y. Trusts shapes.
    func apply(_ x: MatrixView, into y: MutableMatrixView) { apply(x, adding: nil, into: y) }

    /// y <- norm(y + x), row by row. Trusts shapes.
    func apply(adding x: MatrixView, to y: MutableMatrixView) {
        guard kind == .layer else {
            for row in 0..<y.rows { Kernels.best.add(y.row(row), x.row(row), y.columns) }
            return apply(y.readable, adding: nil, into: y)
        }
        apply(x, adding: y.readable, into: y)
    }

    private func apply(_ x: MatrixView, adding residual: MatrixView?, into y: MutableMatrixView) {
        weight.withUnsafeBufferPointer { weight in
            guard kind == .layer else {
                return Kernels.best.rmsNorm(
                    x.base, x.rowStride, weight.baseAddress, y.base, y.rowStride, x.rows, x.columns, epsilon)
            }
            bias.withUnsafeBufferPointer { bias in
                Kernels.best.layerNorm(
                    x.base, x.rowStride, residual?.base, y.rowStride, weight.baseAddress, bias.baseAddress, y.base,
                    y.rowStride, y.rows, y.columns, epsilon)
            }
        }
    }
}
