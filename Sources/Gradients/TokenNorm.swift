import Tensors

/// Normalisation of each token's features, with its gradient: LayerNorm (Ba, Kiros, Hinton 2016) or, without centring,
/// RMSNorm (Zhang, Sennrich 2019).
public struct TokenNorm: Sendable {
    public var gain: [Double]
    public var bias: [Double]?
    public var epsilon: Double
    /// LayerNorm takes the mean away first.
    public var centres: Bool
    /// What squares are divided by: the number of features, but for a stream that was cut and keeps its scale (SliceGPT).
    public var divisor: Double?

    public init(gain: [Double], bias: [Double]? = nil, epsilon: Double, centres: Bool, divisor: Double? = nil) {
        self.gain = gain
        self.bias = bias
        self.epsilon = epsilon
        self.centres = centres
        self.divisor = divisor
    }

    private func standardised(_ row: ArraySlice<Double>) -> (values: [Double], scale: Double) {
        let count = Double(row.count)
        let mean = centres ? row.reduce(0, +) / count : 0
        let square = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let scale = 1 / (square / (divisor ?? count) + epsilon).squareRoot()
        return (row.map { ($0 - mean) * scale }, scale)
    }

    func callAsFunction(_ inputs: DoubleMatrix) -> DoubleMatrix {
        var result = inputs
        for row in 0..<inputs.rows {
            let values = standardised(inputs.row(row)).values
            for column in values.indices { result[row, column] = gain[column] * values[column] + (bias?[column] ?? 0) }
        }
        return result
    }

    /// Derivatives by gain, bias and inputs.
    func backward(
        _ outputs: DoubleMatrix, inputs: DoubleMatrix
    ) -> (gain: [Double], bias: [Double]?, inputs: DoubleMatrix) {
        var result = inputs
        var (gains, biases) = (
            [Double](repeating: 0, count: gain.count), [Double](repeating: 0, count: gain.count)
        )
        let count = Double(gain.count)
        for row in 0..<inputs.rows {
            let (values, scale) = standardised(inputs.row(row))
            var (mean, along) = (0.0, 0.0)
            for column in values.indices {
                let direct = outputs[row, column]
                gains[column] += direct * values[column]
                biases[column] += direct
                mean += direct * gain[column]
                along += direct * gain[column] * values[column]
            }
            mean = centres ? mean / count : 0
            along /= divisor ?? count
            for column in values.indices {
                result[row, column] = scale * (outputs[row, column] * gain[column] - mean - values[column] * along)
            }
        }
        return (gains, bias == nil ? nil : biases, result)
    }
}
