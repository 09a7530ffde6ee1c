import Tensors

/// A value of a family: a matrix W (rows = outputs, columns = inputs, y = W x) kept in structured form.
///
/// Conforming types are immutable values. `apply` and `applyTransposed` are the unchecked kernels; callers
/// outside the kernels use the checked `multiply` and `multiplyTransposed`.
public protocol StructuredMatrix: Sendable {
    /// The family's name and origin, the same for all its values.
    static var family: Family { get }

    var shape: MatrixShape { get }
    var cost: Cost { get }

    /// Y = X W^T, overwriting `output`. X is (batch x columns), Y is (batch x rows). Trusts its arguments.
    /// The result is the same bit for bit whatever `context.threads` is.
    func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext)

    /// X = Y W, overwriting `output`. Y is (batch x rows), X is (batch x columns). Trusts its arguments.
    func applyTransposed(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext)

    /// W itself, rows x columns.
    func dense() -> Matrix

    /// The given rows of W, in order (an embedding look-up). Trusts the indices.
    func gather(rows: [Int]) -> Matrix

    /// The matrix laid out for fast products. Families without a layout of their own multiply as `apply` does.
    func prepared(_ options: PreparationOptions) -> any PreparedProduct

    /// What a checkpoint stores, under `<matrix name>.<factor name>`.
    var tensors: [(name: String, tensor: Tensor)] { get throws }
    /// The integers besides `shape` that are needed to read the tensors back.
    var attributes: FamilyAttributes { get }

    /// Reads a matrix back; bit for bit the one that was stored.
    /// - Throws: `StructuredMatrixError` naming the file, the tensor, what was expected and what was found.
    init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws
}

extension StructuredMatrix {
    public var family: Family { Self.family }

    /// Y = X W^T for X of (batch x columns).
    /// - Throws: `StructuredMatrixError.inputMismatch`.
    public func multiply(_ input: Matrix, context: ExecutionContext = ExecutionContext()) throws -> Matrix {
        guard input.columns == shape.columns else {
            throw StructuredMatrixError.inputMismatch(
                shape: shape, expectedColumns: shape.columns, gotColumns: input.columns)
        }
        var output = Matrix(rows: input.rows, columns: shape.rows)
        output.withMutableView { y in input.withView { apply($0, into: y, context: context) } }
        return output
    }

    /// X = Y W for Y of (batch x rows).
    /// - Throws: `StructuredMatrixError.inputMismatch`.
    public func multiplyTransposed(_ input: Matrix, context: ExecutionContext = ExecutionContext()) throws
        -> Matrix
    {
        guard input.columns == shape.rows else {
            throw StructuredMatrixError.inputMismatch(
                shape: shape, expectedColumns: shape.rows, gotColumns: input.columns)
        }
        var output = Matrix(rows: input.rows, columns: shape.columns)
        output.withMutableView { x in input.withView { applyTransposed($0, into: x, context: context) } }
        return output
    }

    public func prepared(_ options: PreparationOptions) -> any PreparedProduct { UnpackedProduct(self) }

    /// By default the product of one-hot rows with W: right for every family, `rows.count` times its multiply-adds.
    public func gather(rows: [Int]) -> Matrix {
        let oneHot = Matrix(rows: rows.count, columns: shape.rows) { $1 == rows[$0] ? 1 : 0 }
        var output = Matrix(rows: rows.count, columns: shape.columns)
        output.withMutableView { x in oneHot.withView { applyTransposed($0, into: x, context: .serial) } }
        return output
    }
}

/// A family whose factors move freely, so that gradient methods can fit and train them.
public protocol DifferentiableMatrix: StructuredMatrix {
    /// The factors in the order of `tensors`.
    var factors: [Factor] { get }
    /// The same matrix with other factor values, given in the same order and with the same counts.
    func replacingFactors(_ values: [[Float]]) -> Self
    /// The chain rule: from dL/dW (rows x columns) to dL/dfactor for every factor, in order.
    func factorGradients(_ gradient: Matrix) -> [[Float]]
}
