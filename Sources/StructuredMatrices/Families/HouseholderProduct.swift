import LinearAlgebra
import Tensors

/// W = L D R^T with L = H_1 ... H_k (rows x rows) and R = G_1 ... G_l (columns x columns) products of reflections
/// I - 2 v v^T / v^T v (the identity where v is zero) and D a rectangular diagonal.
///
/// k rows + l columns + min(rows, columns) numbers, about twice as many multiply-adds. The products are applied in
/// blocks: I - V^T T V with T triangular (Schreiber and Van Loan 1989). With D of r entries and r reflections on
/// either side every matrix of rank r is one of these; L and R are orthogonal to rounding whatever the vectors.
public struct HouseholderProduct: StructuredMatrix {
    public static let family = Family(
        name: "householder", summary: "diagonal between two products of reflections",
        source: "Householder Projector, arXiv 2307.08012")

    /// [k, rows].
    public let left: Factor
    /// [min(rows, columns)].
    public let diagonal: Factor
    /// [l, columns].
    public let right: Factor
    /// T of either side.
    private let leftTriangle: Matrix
    private let rightTriangle: Matrix

    /// - Precondition: the shapes above. Cost: k^2 rows + l^2 columns multiply-adds, once.
    public init(left: Factor, diagonal: Factor, right: Factor) {
        precondition(left.shape.count == 2 && right.shape.count == 2)
        precondition(diagonal.shape == [min(left.shape[1], right.shape[1])])
        (self.left, self.diagonal, self.right) = (left, diagonal, right)
        leftTriangle = Self.triangle(left.matrix)
        rightTriangle = Self.triangle(right.matrix)
    }

    public var shape: MatrixShape { MatrixShape(rows: left.shape[1], columns: right.shape[1]) }

    public var cost: Cost {
        var cost = Self.cost(
            shape: shape, leftCount: left.shape[0], rightCount: right.shape[0], precision: .f32)
        cost.storedBytes = left.storedBytes + diagonal.storedBytes + right.storedBytes
        return cost
    }

    public static func cost(shape: MatrixShape, leftCount k: Int, rightCount l: Int, precision: Precision) -> Cost {
        let diagonal = min(shape.rows, shape.columns)
        let count = k * shape.rows + l * shape.columns + diagonal
        return Cost(
            parameters: count, storedBytes: count * precision.elementType.byteCount,
            multiplyAdds: k * (2 * shape.rows + k) + l * (2 * shape.columns + l) + diagonal)
    }

    /// T with H_1 ... H_k = I - V^T T V, by the recurrence, which no small vector can harm.
    private static func triangle(_ vectors: Matrix) -> Matrix {
        let v = vectors.converted(to: Double.self)
        let products = v.multiplied(by: v, transposeOther: true)
        var t = DoubleMatrix(rows: v.rows, columns: v.rows)
        for k in 0..<v.rows {
            let beta = products[k, k] > 0 ? 2 / products[k, k] : 0
            t[k, k] = beta
            for row in 0..<k {
                var sum = 0.0
                for column in row..<k { sum += t[row, column] * products[column, k] }
                t[row, k] = -beta * sum
            }
        }
        return t.converted(to: Float.self)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        run(
            input, right, rightTriangle, into: output, left, leftTriangle, context: context)
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        run(input, left, leftTriangle, into: output, right, rightTriangle, context: context)
    }

    /// Y = X A D B^T for the products A and B of the given vectors, which may be either side's: D is its own transpose.
    private func run(
        _ input: MatrixView, _ first: Factor, _ firstTriangle: Matrix, into output: MutableMatrixView,
        _ second: Factor, _ secondTriangle: Matrix, context: ExecutionContext
    ) {
        let diagonal = diagonal.values
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) {
            rows, context in
            let (x, y) = (input.rows(rows), output.rows(rows))
            withScratch(rows: x.rows, columns: x.columns) { copy in
                for row in 0..<x.rows { copy.row(row).update(from: x.row(row), count: x.columns) }
                Self.reflect(copy, first, firstTriangle, transposed: false, context: context)
                for row in 0..<y.rows {
                    let (source, target) = (copy.row(row), y.row(row))
                    for column in diagonal.indices { target[column] = source[column] * diagonal[column] }
                    (target + diagonal.count).update(repeating: 0, count: y.columns - diagonal.count)
                }
            }
            Self.reflect(y, second, secondTriangle, transposed: true, context: context)
        }
    }

    /// X = X (I - V^T T V), or with T transposed: X (I - V^T T^T V) is X L^T.
    private static func reflect(
        _ x: MutableMatrixView, _ vectors: Factor, _ triangle: Matrix, transposed: Bool, context: ExecutionContext
    ) {
        let count = triangle.rows
        guard count > 0 else { return }
        vectors.withView { vectors in
            triangle.withView { triangle in
                withScratch(rows: x.rows, columns: count) { products in
                    withScratch(rows: x.rows, columns: count) { weights in
                        DenseProduct.apply(x.readable, vectors, into: products, context: context)
                        if transposed {
                            DenseProduct.apply(products.readable, triangle, into: weights, context: context)
                        } else {
                            DenseProduct.applyTransposed(products.readable, triangle, into: weights, context: context)
                        }
                        for row in 0..<x.rows {
                            let weights = weights.row(row)
                            for index in 0..<count { weights[index].negate() }
                        }
                        DenseProduct.applyTransposed(
                            weights.readable, vectors, into: x, accumulating: true, context: context)
                    }
                }
            }
        }
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            [("left", try left.tensor), ("diagonal", try diagonal.tensor), ("right", try right.tensor)]
        }
    }
    public var attributes: FamilyAttributes {
        FamilyAttributes(["leftCount": left.shape[0], "rightCount": right.shape[0]])
    }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        try attributes.check(shape)
        let left = try attributes.integer("leftCount", in: 0...max(0, shape.rows))
        let right = try attributes.integer("rightCount", in: 0...max(0, shape.columns))
        self.init(
            left: try tensors.factor("left", shape: [left, shape.rows]),
            diagonal: try tensors.factor("diagonal", shape: [min(shape.rows, shape.columns)]),
            right: try tensors.factor("right", shape: [right, shape.columns]))
    }
}
