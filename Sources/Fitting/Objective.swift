import LinearAlgebra
import StructuredMatrices
import Tensors

/// What counts as close: the norm that a fit of W by V makes small.
public enum Objective: Sendable {
    /// Sum of squares of W - V.
    case frobenius
    /// tr((W - V) G (W - V)^T): the mean squared change of the layer's outputs over the calibration inputs.
    case activations(Gram)

    public var kind: Kind {
        switch self {
        case .frobenius: .frobenius
        case .activations: .activations
        }
    }

    public enum Kind: String, Sendable, CaseIterable {
        case frobenius, activations
    }

    /// The Gram matrix, nil for `.frobenius`.
    public var gram: Gram? {
        switch self {
        case .frobenius: nil
        case .activations(let gram): gram
        }
    }

    /// Relative squared error tr((W-V) G (W-V)^T) / tr(W G W^T), in `Double`; about rows columns^2
    /// multiply-adds. 0 where the denominator is 0 (a zero weight, or inputs that were all zero).
    /// - Throws: `FittingError.shapeMismatch`, `.gramMismatch`.
    public func error(of approximation: Matrix, for weight: Matrix, name: String = "matrix") throws -> Double
    {
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        guard approximation.rows == weight.rows, approximation.columns == weight.columns else {
            throw FittingError.shapeMismatch(
                matrix: name, expected: shape,
                got: MatrixShape(rows: approximation.rows, columns: approximation.columns))
        }
        if let gram, gram.size != weight.columns {
            throw FittingError.gramMismatch(matrix: name, shape: shape, gramSize: gram.size)
        }
        return relative(squaredNorm(ofDifference: weight, approximation), to: squaredNorm(of: weight))
    }

    /// tr(W G W^T).
    package func squaredNorm(of weight: Matrix) -> Double { squaredNorm(ofDifference: weight, nil) }

    /// tr(W G W^T).
    package func squaredNorm(of weight: DoubleMatrix) -> Double {
        switch self {
        case .frobenius: weight.squaredNorm
        case .activations(let gram): max(0, weight.multiplied(by: gram.matrix).innerProduct(weight))
        }
    }

    package func relative(_ error: Double, to total: Double) -> Double { total > 0 ? error / total : 0 }

    /// Rows are taken a few at a time so that a large embedding needs no second copy in `Double`.
    private func squaredNorm(ofDifference weight: Matrix, _ approximation: Matrix?) -> Double {
        let rowsAtOnce = 1024
        var sum = 0.0
        for first in stride(from: 0, to: weight.rows, by: rowsAtOnce) {
            let rows = first..<min(weight.rows, first + rowsAtOnce)
            let range = rows.lowerBound * weight.columns..<rows.upperBound * weight.columns
            var piece = weight.elements[range].map(Double.init)
            if let approximation {
                for (index, value) in approximation.elements[range].enumerated() {
                    piece[index] -= Double(value)
                }
            }
            sum += squaredNorm(of: DoubleMatrix(rows: rows.count, columns: weight.columns, elements: piece))
        }
        return sum
    }
}
