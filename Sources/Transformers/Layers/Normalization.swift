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
    public internal(set) var weight: [Float] {
        didSet { factors = Self.factors(weight, of: features) }
    }
    /// Empty for the root mean square.
    public internal(set) var bias: [Float]
    public let epsilon: Float
    /// What the mean of squares is over: more than the norm has where a stream was cut, so that the scale stays what it was.
    let features: Int
    /// The weights of features that are divided by their own root mean square.
    private var factors: [Float]

    /// - Parameter features: of the uncut stream, for a root mean square; nil for those of the weight.
    /// - Precondition: a layer norm's weight and bias have the same count.
    public init(kind: Kind, weight: [Float], bias: [Float], epsilon: Float, features: Int? = nil) {
        precondition(bias.count == (kind == .layer ? weight.count : 0))
        self.kind = kind
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
        self.features = features ?? weight.count
        factors = Self.factors(weight, of: self.features)
    }

    /// x / sqrt(sum x^2 / d + e) = sqrt(d / k) x / sqrt(sum x^2 / k + e d / k), with k the features there are.
    private static func factors(_ weight: [Float], of features: Int) -> [Float] {
        guard features != weight.count, !weight.isEmpty else { return weight }
        let scale = Float((Double(features) / Double(weight.count)).squareRoot())
        return weight.map { scale * $0 }
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
        factors.withUnsafeBufferPointer { weight in
            guard kind == .layer else {
                let spread = weight.isEmpty ? 1 : Float(features) / Float(weight.count)
                return Kernels.best.rmsNorm(
                    x.base, x.rowStride, weight.baseAddress, y.base, y.rowStride, x.rows, x.columns, spread * epsilon)
            }
            bias.withUnsafeBufferPointer { bias in
                Kernels.best.layerNorm(
                    x.base, x.rowStride, residual?.base, y.rowStride, weight.baseAddress, bias.baseAddress, y.base,
                    y.rowStride, y.rows, y.columns, epsilon)
            }
        }
    }
}
