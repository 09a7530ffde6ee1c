import Tensors

/// W as it is: rows x columns numbers in one precision. The yardstick of every other family.
public struct Dense: DifferentiableMatrix {
    public static let family = Family(name: "dense", summary: "every number kept", source: "textbook")

    /// rows x columns.
    public let weight: Factor

    public init(_ weight: Factor) {
        precondition(weight.shape.count == 2)
        self.weight = weight
    }

    public init(_ matrix: Matrix, precision: Precision = .f32) {
        self.init(Factor(matrix, precision: precision))
    }

    public var shape: MatrixShape { MatrixShape(rows: weight.shape[0], columns: weight.shape[1]) }
    public var cost: Cost {
        Cost(parameters: shape.count, storedBytes: weight.storedBytes, multiplyAdds: shape.count)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        if weight.isStreamed {
            DenseProduct.apply(input, streaming: weight, into: output, context: context)
        } else {
            weight.withView { DenseProduct.apply(input, $0, into: output, context: context) }
        }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        weight.withView { DenseProduct.applyTransposed(input, $0, into: output, context: context) }
    }

    public func dense() -> Matrix { weight.matrix }

    public func gather(rows: [Int]) -> Matrix {
        var elements: [Float] = []
        elements.reserveCapacity(rows.count * shape.columns)
        for row in rows { elements += weight.values(row * shape.columns..<(row + 1) * shape.columns) }
        return Matrix(rows: rows.count, columns: shape.columns, elements: elements)
    }

    public var tensors: [(name: String, tensor: Tensor)] { get throws { [("weight", try weight.tensor)] } }
    public var attributes: FamilyAttributes { FamilyAttributes() }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        weight = try tensors.factor("weight", shape: [shape.rows, shape.columns])
    }

    public var factors: [Factor] { [weight] }
    public func replacingFactors(_ values: [[Float]]) -> Self { Self(weight.replacing(values[0])) }
    public func factorGradients(_ gradient: Matrix) -> [[Float]] { [gradient.elements] }
}
