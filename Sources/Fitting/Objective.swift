import LinearAlgebra
import StructuredMatrices
import Tensors

/// What counts as close: the norm that a fit of W by V makes small.
public enum Objective: Sendable {
    /// Sum of squares of W - V.
    case frobenius
    /// tr((W - V) G (W - V)^T): the mean squared change of the layer's outputs over the calibration inputs.
    case activations(Gram)
    /// tr(D (W - V) H (W - V)^T): outputs and inputs weighted by what the loss says of them.
    case fisher(FisherWeighting)

    public var kind: Kind {
        switch self {
        case .frobenius: .frobenius
        case .activations: .activations
        case .fisher(let weighting): weighting.activations == nil ? .fisher : .activationsAndFisher
        }
    }

    public enum Kind: String, Sendable, CaseIterable {
        case frobenius, activations, fisher
        case activationsAndFisher = "activations+fisher"
    }

    /// The matrix that weights columns: G, or H with Fisher weights; nil where that is the identity.
    public var gram: Gram? {
        switch self {
        case .frobenius: nil
        case .activations(let gram): gram
        case .fisher(let weighting): weighting.gram
        }
    }

    /// The diagonal of D, one weight for each row of W; nil where all are 1.
    public var rowWeights: [Double]? {
        guard case .fisher(let weighting) = self else { return nil }
        return weighting.rows
    }

    /// The same norm with all rows counting alike.
    var ofColumns: Objective { gram.map(Objective.activations) ?? .frobenius }

    /// The nearest objective among those given: without the rows' weights, without Fisher weights, without any.
    func reduced(to kinds: [Kind]) throws -> Objective {
        if kinds.contains(kind) { return self }
        guard case .fisher(let weighting) = self else { return .frobenius }
        if kinds.contains(.activations) { return ofColumns }
        return kinds.contains(.fisher)
            ? try .fisher(rows: weighting.rows, columns: weighting.columns) : .frobenius
    }

    /// Refuses an objective that is not of this shape.
    /// - Throws: `FittingError.gramMismatch`, `.fisherMismatch`.
    package func check(_ shape: MatrixShape, name: String) throws {
        if let rowWeights, rowWeights.count != shape.rows {
            throw FittingError.fisherMismatch(
                matrix: name, side: "row", expected: shape.rows, got: rowWeights.count)
        }
        if case .fisher(let weighting) = self, let columns = weighting.columns, columns.count != shape.columns {
            throw FittingError.fisherMismatch(
                matrix: name, side: "column", expected: shape.columns, got: columns.count)
        }
        if let gram, gram.size != shape.columns {
            throw FittingError.gramMismatch(matrix: name, shape: shape, gramSize: gram.size)
        }
    }

    /// Relative squared error tr(D (W-V) G (W-V)^T) / tr(D W G W^T), in `Double`; about rows columns^2 / 2
    /// multiply-adds. 0 where the denominator is 0 (a zero weight, or inputs that were all zero).
    /// - Throws: `FittingError.shapeMismatch`, `.gramMismatch`, `.fisherMismatch`.
    public func error(of approximation: Matrix, for weight: Matrix, name: String = "matrix") throws -> Double
    {
        let shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        guard approximation.rows == weight.rows, approximation.columns == weight.columns else {
            throw FittingError.shapeMismatch(
                matrix: name, expected: shape,
                got: MatrixShape(rows: approximation.rows, columns: approximation.columns))
        }
        try check(shape, name: name)
        defer { gram?.release() }
        let columns = weight.columns
        let error = squaredNorm(ofDifference: weight) {
            approximation.elements[$0.lowerBound * columns..<$0.upperBound * columns]
        }
        return relative(error, to: rememberedSquaredNorm(of: weight))
    }

    /// tr(D W G W^T).
    package func squaredNorm(of weight: Matrix) -> Double { squaredNorm(ofDifference: weight) { _ in nil } }

    /// The same, remembered: all candidates of a matrix are compared with it.
    private func rememberedSquaredNorm(of weight: Matrix) -> Double {
        guard case .activations(let gram) = self else { return squaredNorm(of: weight) }
        return gram.squaredNorm(of: weight) { squaredNorm(of: weight) }
    }

    /// As `error(of:for:name:)` of the dense form, which small integers are decoded to a few rows at a time.
    /// - Throws: as above.
    package func error(of matrix: any StructuredMatrix, for weight: Matrix, name: String) throws -> Double {
        guard matrix is any GroupQuantized, matrix.shape.rows == weight.rows, matrix.shape.columns == weight.columns else {
            return try error(of: matrix.dense(), for: weight, name: name)
        }
        try check(matrix.shape, name: name)
        defer { gram?.release() }
        let error = squaredNorm(ofDifference: weight) { matrix.gather(rows: Array($0)).elements[...] }
        return relative(error, to: rememberedSquaredNorm(of: weight))
    }

    /// tr(D W G W^T), the rows of `weight` being those from `firstRow` on.
    package func squaredNorm(of weight: DoubleMatrix, firstRow: Int = 0) -> Double {
        guard let gram else {
            guard let rowWeights else { return weight.squaredNorm }
            return (0..<weight.rows).reduce(0) { sum, row in
                sum + rowWeights[firstRow + row] * weight.row(row).reduce(0) { $0 + $1 * $1 }
            }
        }
        // G is symmetric: what is below its diagonal counts twice, the diagonal once.
        let product = weight.multiplied(byLowerTriangleOf: gram.matrix)
        let (diagonal, columns) = (gram.diagonal, weight.columns)
        var sum = 0.0
        for row in 0..<weight.rows {
            var squares = 0.0
            for column in 0..<columns {
                let value = weight.elements[row * columns + column]
                squares += value * (2 * product.elements[row * columns + column] - diagonal[column] * value)
            }
            sum += squares * (rowWeights?[firstRow + row] ?? 1)
        }
        return max(0, sum)
    }

    package func relative(_ error: Double, to total: Double) -> Double { total > 0 ? error / total : 0 }

    /// Rows are taken a few at a time so that a large embedding needs no second copy in `Double`.
    private func squaredNorm(
        ofDifference weight: Matrix, _ approximation: (Range<Int>) -> ArraySlice<Float>?
    ) -> Double {
        let rowsAtOnce = 1024
        var sum = 0.0
        for first in stride(from: 0, to: weight.rows, by: rowsAtOnce) {
            let rows = first..<min(weight.rows, first + rowsAtOnce)
            let range = rows.lowerBound * weight.columns..<rows.upperBound * weight.columns
            var piece = weight.elements[range].map(Double.init)
            if let approximation = approximation(rows) {
                for (index, value) in approximation.enumerated() { piece[index] -= Double(value) }
            }
            sum += squaredNorm(
                of: DoubleMatrix(rows: rows.count, columns: weight.columns, elements: piece), firstRow: first)
        }
        return sum
    }
}

extension DenseMatrix {
    /// Row i times factor i; nothing for nil.
    mutating func scaleRows(by factors: [Double]?) {
        guard let factors else { return }
        elements.withUnsafeMutableBufferPointer { elements in
            for row in 0..<rows {
                let factor = Scalar(factors[row])
                for index in row * columns..<(row + 1) * columns { elements[index] *= factor }
            }
        }
    }
}
