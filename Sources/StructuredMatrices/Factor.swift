import Tensors

/// One array of a family's parameters: `Float` values that are exactly representable in the precision
/// they are stored in, so that a saved and reloaded matrix computes the same bits.
public struct Factor: Sendable, Equatable {
    public let shape: [Int]
    public let precision: Precision
    public private(set) var values: [Float]

    /// Rounds `values` to `precision`.
    /// - Precondition: `values.count` is the product of `shape`.
    public init(_ values: [Float], shape: [Int], precision: Precision = .f32) {
        precondition(
            values.count == shape.reduce(1, *),
            "a factor of shape \(shape) needs \(shape.reduce(1, *)) values")
        self.shape = shape
        self.precision = precision
        self.values = precision.rounded(values)
    }

    /// Values that came from storage of this precision, so that rounding would change nothing.
    /// - Precondition: as above.
    init(stored values: [Float], shape: [Int], precision: Precision) {
        precondition(values.count == shape.reduce(1, *))
        self.shape = shape
        self.precision = precision
        self.values = values
    }

    public init(_ matrix: Matrix, precision: Precision = .f32) {
        self.init(matrix.elements, shape: [matrix.rows, matrix.columns], precision: precision)
    }

    /// Other values of the same shape and precision.
    public func replacing(_ values: [Float]) -> Factor { Factor(values, shape: shape, precision: precision) }

    public var storedBytes: Int { values.count * precision.elementType.byteCount }

    /// The values as the tensor a checkpoint stores.
    public var tensor: Tensor {
        get throws { try Tensor(values, shape: shape, elementType: precision.elementType) }
    }

    /// Lends the values as a matrix, all but the last dimension folded into rows.
    public func withView<Result>(_ body: (MatrixView) throws -> Result) rethrows -> Result {
        let columns = shape.last ?? 1
        let rows = columns == 0 ? 0 : values.count / columns
        return try values.withUnsafeBufferPointer { buffer in
            let base = buffer.baseAddress ?? UnsafePointer(bitPattern: 4).unsafelyUnwrapped
            return try body(MatrixView(base: base, rows: rows, columns: columns))
        }
    }

    /// All but the last dimension folded into rows.
    public var matrix: Matrix {
        let columns = shape.last ?? 1
        return Matrix(rows: columns == 0 ? 0 : values.count / columns, columns: columns, elements: values)
    }
}
