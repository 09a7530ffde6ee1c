import Tensors

/// A grid of b x b blocks, each constant along its wrapped diagonals: block (p, q) is c[(i - j) mod b]. One block is a
/// circulant matrix.
///
/// rows columns / b numbers, rows columns multiply-adds: products are direct but read only 1 / b of the dense matrix; prepared
/// ones with long blocks go through the Fourier transform (`PreparedConvolution`).
public struct BlockCirculant: DifferentiableMatrix {
    public static let family = Family(
        name: "block-circulant", summary: "square blocks that are constant along wrapped diagonals",
        source: "textbook")

    /// [rows / b, columns / b, b].
    public let cycles: Factor

    /// - Precondition: three dimensions.
    public init(cycles: Factor) {
        precondition(cycles.shape.count == 3)
        self.cycles = cycles
    }

    /// b.
    public var block: Int { cycles.shape[2] }
    public var shape: MatrixShape {
        MatrixShape(rows: cycles.shape[0] * block, columns: cycles.shape[1] * block)
    }
    public var cost: Cost { Self.cost(shape: shape, block: block, precision: cycles.precision) }

    public static func cost(shape: MatrixShape, block: Int, precision: Precision) -> Cost {
        let count = shape.count / max(1, block)
        return Cost(
            parameters: count, storedBytes: count * precision.elementType.byteCount, multiplyAdds: shape.count)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        run(input, into: output, transposed: false, context: context)
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        run(input, into: output, transposed: true, context: context)
    }

    /// Every block as the 2 b - 1 diagonals of a Toeplitz matrix, those of the transposed block backwards.
    private func run(
        _ input: MatrixView, into output: MutableMatrixView, transposed: Bool, context: ExecutionContext
    ) {
        let (block, blockRows, blockColumns) = (block, cycles.shape[0], cycles.shape[1])
        let (width, values) = (2 * block - 1, cycles.values)
        var diagonals = [Float](repeating: 0, count: blockRows * blockColumns * width)
        for index in 0..<blockRows * blockColumns {
            for diagonal in 0..<width {
                let cycle = transposed ? (width - 1 - diagonal + 1) % block : (diagonal + 1) % block
                diagonals[index * width + diagonal] = values[index * block + cycle]
            }
        }
        let (outputs, inputs) = transposed ? (blockColumns, blockRows) : (blockRows, blockColumns)
        let all = diagonals
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: shape.count, context: context) { rows, context in
            withScratch(rows: rows.count, columns: input.columns) { reversed in
                ToeplitzProduct.reverse(input.rows(rows), block: block, into: reversed)
                context.parallelFor(outputs) { p in
                    all.withUnsafeBufferPointer { all in
                        guard let base = all.baseAddress else { return }
                        for q in 0..<inputs {
                            ToeplitzProduct.apply(
                                reversed: reversed.readable.sideBySide(q, columns: block),
                                base + (transposed ? q * blockColumns + p : p * blockColumns + q) * width,
                                into: output.rows(rows).sideBySide(p, columns: block), accumulating: q > 0)
                        }
                    }
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
        let (block, blockColumns, values) = (block, cycles.shape[1], cycles.values)
        return Matrix(rows: rows.count, columns: shape.columns) { index, column in
            let row = rows[index]
            let cell = row / block * blockColumns + column / block
            return values[cell * block + (row % block - column % block + block) % block]
        }
    }

    public var tensors: [(name: String, tensor: Tensor)] { get throws { [("cycles", try cycles.tensor)] } }
    public var attributes: FamilyAttributes { FamilyAttributes(["block": block]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let block = try attributes.divisor("block", of: shape.rows, shape.columns)
        try attributes.check(shape)
        cycles = try tensors.factor("cycles", shape: [shape.rows / block, shape.columns / block, block])
    }

    public var factors: [Factor] { [cycles] }
    public func replacingFactors(_ values: [[Float]]) -> Self { Self(cycles: cycles.replacing(values[0])) }
    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        var sums = [Float](repeating: 0, count: cycles.count)
        for row in 0..<shape.rows {
            for column in 0..<shape.columns {
                let cell = row / block * cycles.shape[1] + column / block
                sums[cell * block + (row % block - column % block + block) % block] += gradient[row, column]
            }
        }
        return [sums]
    }
}
