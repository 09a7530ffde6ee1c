import LinearAlgebra
import Tensors

/// First and second moments of a matrix's inputs over the calibration tokens.
public struct InputMoments: Sendable {
    /// E[x x^T], inputs x inputs, symmetric.
    public let second: DoubleMatrix
    /// E[x].
    public let mean: [Double]

    /// - Precondition: `second` is square and as wide as `mean` is long.
    public init(second: DoubleMatrix, mean: [Double]) {
        precondition(second.rows == second.columns && second.rows == mean.count)
        self.second = second
        self.mean = mean
    }

    /// Of the given inputs, tokens x features.
    public init(inputs: DoubleMatrix) {
        let share = 1 / Double(max(1, inputs.rows))
        var second = inputs.gramian()
        second.scale(by: share)
        var mean = [Double](repeating: 0, count: inputs.columns)
        for row in 0..<inputs.rows {
            for column in 0..<inputs.columns { mean[column] += inputs[row, column] * share }
        }
        self.init(second: second, mean: mean)
    }

    public var count: Int { mean.count }

    /// E[(x - E[x]) (x - E[x])^T].
    public var covariance: DoubleMatrix {
        var result = second
        for row in 0..<count {
            for column in 0..<count { result[row, column] -= mean[row] * mean[column] }
        }
        return result
    }

    /// The diagonal of the covariance; what rounding makes negative is 0.
    public var variances: [Double] { (0..<count).map { max(0, second[$0, $0] - mean[$0] * mean[$0]) } }

    var isFinite: Bool { second.isFinite && mean.allSatisfy(\.isFinite) }
}
