import Tensors

/// One number for each diagonal: W[i, j] = diagonals[i - j + columns - 1]; a convolution.
///
/// rows + columns - 1 numbers, rows columns multiply-adds: products are direct but read only those numbers; prepared ones of
/// long matrices go through the Fourier transform (`PreparedConvolution`).
public struct Toeplitz: DifferentiableMatrix {
    public static let family = Family(
        name: "toeplitz", summary: "one number for each diagonal", source: "textbook")

    public let shape: MatrixShape
    /// [rows + columns - 1], from the upper right corner to the lower left one.
    public let diagonals: Factor

    /// - Precondition: rows + columns - 1 diagonals.
    public init(diagonals: Factor, shape: MatrixShape) {
        precondition(diagonals.shape == [shape.rows + shape.columns - 1])
        (self.diagonals, self.shape) = (diagonals, shape)
    }

    public var cost: Cost { Self.cost(shape: shape, precision: diagonals.precision) }

    public static func cost(shape: MatrixShape, precision: Precision) -> Cost {
        .init(
            parameters: shape.rows + shape.columns - 1,
            storedBytes: (shape.rows + shape.columns - 1) * precision.elementType.byteCount,
            multiplyAdds: shape.count)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        run(input, diagonals.values, into: output, context: context)
    }

    /// The transposed matrix has the diagonals backwards.
    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        run(input, diagonals.values.reversed(), into: output, context: context)
    }

    private func run(
        _ input: MatrixView, _ diagonals: [Float], into output: MutableMatrixView, context: ExecutionContext
    ) {
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: shape.count, context: context) { rows, _ in
            withScratch(rows: rows.count, columns: input.columns) { reversed in
                ToeplitzProduct.reverse(input.rows(rows), block: input.columns, into: reversed)
                diagonals.withUnsafeBufferPointer { diagonals in
                    guard let base = diagonals.baseAddress else { return }
                    ToeplitzProduct.apply(
                        reversed: reversed.readable, base, into: output.rows(rows), accumulating: false)
                }
            }
        }
    }

    /// Through the Fourier transform where that is faster and there is a library for it.
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedConvolution(self) ?? UnpackedProduct(self)
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        let values = diagonals.values
        return Matrix(rows: rows.count, columns: shape.columns) { values[rows[$0] - $1 + shape.columns - 1] }
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws { [("diagonals", try diagonals.tensor)] }
    }
    public var attributes: FamilyAttributes { FamilyAttributes() }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        try attributes.check(shape)
        self.shape = shape
        diagonals = try tensors.factor("diagonals", shape: [shape.rows + shape.columns - 1])
    }

    public var factors: [Factor] { [diagonals] }
    public func replacingFactors(_ values: [[Float]]) -> Self {
        Self(diagonals: diagonals.replacing(values[0]), shape: shape)
    }
    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        var sums = [Float](repeating: 0, count: diagonals.count)
        for row in 0..<shape.rows {
            for column in 0..<shape.columns { sums[row - column + shape.columns - 1] += gradient[row, column] }
        }
        return [sums]
    }
}
