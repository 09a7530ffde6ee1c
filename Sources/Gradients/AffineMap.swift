import LinearAlgebra
import Tensors

/// y = W x + b of every token, with its gradients.
public struct AffineMap: Sendable {
    /// outputs x inputs.
    public var weight: DoubleMatrix
    public var bias: [Double]?

    public init(weight: DoubleMatrix, bias: [Double]? = nil) {
        precondition(bias.map { $0.count == weight.rows } ?? true)
        self.weight = weight
        self.bias = bias
    }

    /// tokens x inputs to tokens x outputs.
    func callAsFunction(_ inputs: DoubleMatrix) -> DoubleMatrix {
        var result = inputs.multiplied(by: weight, transposeOther: true)
        if let bias {
            for row in 0..<result.rows {
                for column in bias.indices { result[row, column] += bias[column] }
            }
        }
        return result
    }

    /// Derivatives of a number with respect to the weight, the bias, and the inputs, from those by the outputs.
    func backward(_ outputs: DoubleMatrix, inputs: DoubleMatrix) -> (gradient: AffineGradient, inputs: DoubleMatrix) {
        let weight = outputs.multiplied(by: inputs, transposeSelf: true)
        let own = AffineGradient(weight: weight, bias: bias == nil ? nil : outputs.columnSums)
        return (own, outputs.multiplied(by: self.weight))
    }
}

/// Derivatives by the entries of an `AffineMap`, in its shapes.
public struct AffineGradient: Sendable {
    public var weight: DoubleMatrix
    public var bias: [Double]?

    mutating func add(_ other: AffineGradient) {
        weight.add(other.weight)
        if let more = other.bias, let own = bias { bias = zip(own, more).map { $0 + $1 } }
    }
}

extension DenseMatrix<Double> {
    var columnSums: [Double] {
        var sums = [Double](repeating: 0, count: columns)
        for row in 0..<rows {
            for column in 0..<columns { sums[column] += self[row, column] }
        }
        return sums
    }

    mutating func add(_ other: Self) {
        precondition(rows == other.rows && columns == other.columns)
        for index in elements.indices { elements[index] += other.elements[index] }
    }

    /// Element by element.
    func times(_ other: Self) -> Self {
        precondition(rows == other.rows && columns == other.columns)
        return Self(rows: rows, columns: columns, elements: zip(elements, other.elements).map { $0 * $1 })
    }
}
