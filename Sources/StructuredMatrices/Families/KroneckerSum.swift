import LinearAlgebra
import Tensors

/// W = sum over t of A_t (x) B_t, A_t of m1 x n1, B_t of m2 x n2: the block (k, i) of W is sum_t A_t[k, i] B_t.
///
/// R (m1 n1 + m2 n2) numbers for R terms, R (n1 m2 n2 + m1 n1 m2) multiply-adds: an input row seen as X (n1 x n2)
/// gives Y = sum_t A_t X B_t^T (m1 x m2), two products of small matrices. With m2 = n1 = 1 it is low-rank.
public struct KroneckerSum: DifferentiableMatrix {
    public static let family = Family(
        name: "kronecker", summary: "sum of Kronecker products of two small matrices",
        source: "Van Loan and Pitsianis 1993; Krony-PT, arXiv 2412.12351")

    /// [m1, n1, R].
    public let outer: Factor
    /// [R, m2, n2].
    public let inner: Factor

    /// - Precondition: three dimensions each, the last of `outer` being the first of `inner`.
    public init(outer: Factor, inner: Factor) {
        precondition(outer.shape.count == 3 && inner.shape.count == 3 && outer.shape[2] == inner.shape[0])
        (self.outer, self.inner) = (outer, inner)
    }

    /// R.
    public var terms: Int { inner.shape[0] }
    private var outerShape: MatrixShape { MatrixShape(rows: outer.shape[0], columns: outer.shape[1]) }
    private var innerShape: MatrixShape { MatrixShape(rows: inner.shape[1], columns: inner.shape[2]) }
    public var shape: MatrixShape {
        MatrixShape(rows: outer.shape[0] * inner.shape[1], columns: outer.shape[1] * inner.shape[2])
    }

    public var cost: Cost {
        Self.cost(outer: outerShape, inner: innerShape, terms: terms, precisions: (outer.precision, inner.precision))
    }

    public static func cost(outer: MatrixShape, inner: MatrixShape, terms: Int, precision: Precision) -> Cost {
        cost(outer: outer, inner: inner, terms: terms, precisions: (precision, precision))
    }

    private static func cost(
        outer: MatrixShape, inner: MatrixShape, terms: Int, precisions: (Precision, Precision)
    ) -> Cost {
        Cost(
            parameters: terms * (outer.count + inner.count),
            storedBytes: terms
                * (outer.count * precisions.0.elementType.byteCount
                    + inner.count * precisions.1.elementType.byteCount),
            multiplyAdds: terms * (outer.columns * inner.count + outer.count * inner.rows))
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        let (a, b) = (outerShape, innerShape)
        forEachRow(input, output, context) { x, y, outer, inner, hidden in
            // Z: row i is [B_1 x_i, ..., B_R x_i]; seen as (n1 R) x m2 it is what A, m1 x (n1 R), multiplies.
            DenseProduct.serial(
                MatrixView(base: x, rows: a.columns, columns: b.columns), inner,
                into: MutableMatrixView(base: hidden, rows: a.columns, columns: terms * b.rows))
            DenseProduct.serialTransposed(
                outer, MatrixView(base: hidden, rows: a.columns * terms, columns: b.rows),
                into: MutableMatrixView(base: y, rows: a.rows, columns: b.rows))
        }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        let (a, b) = (outerShape, innerShape)
        forEachRow(input, output, context) { y, x, outer, inner, hidden in
            LinearAlgebra.multiply(
                outer, transposeA: true, MatrixView(base: y, rows: a.rows, columns: b.rows),
                into: MutableMatrixView(base: hidden, rows: a.columns * terms, columns: b.rows))
            DenseProduct.serialTransposed(
                MatrixView(base: hidden, rows: a.columns, columns: terms * b.rows), inner,
                into: MutableMatrixView(base: x, rows: a.columns, columns: b.columns))
        }
    }

    /// `outer` is lent as m1 x (n1 R), `inner` as (R m2) x n2, and n1 R m2 numbers of memory.
    private func forEachRow(
        _ input: MatrixView, _ output: MutableMatrixView, _ context: ExecutionContext,
        _ body: @Sendable (
            UnsafePointer<Float>, UnsafeMutablePointer<Float>, MatrixView, MatrixView, UnsafeMutablePointer<Float>
        ) -> Void
    ) {
        let (a, b) = (outerShape, innerShape)
        outer.withView { cells in
            inner.withView { inner in
                let outer = MatrixView(base: cells.base, rows: a.rows, columns: a.columns * terms)
                let shared =
                    DenseProduct.isShared(batch: input.rows, weights: cost.multiplyAdds) ? context : .serial
                shared.parallelFor(input.rows) { row in
                    withScratch(rows: a.columns * terms, columns: b.rows) { hidden in
                        body(input.row(row), output.row(row), outer, inner, hidden.base)
                    }
                }
            }
        }
    }

    /// Both small matrices are multiplied with many short inputs each, those of a row in one go.
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        let (a, b) = (outerShape, innerShape)
        let outer = PackedMatrix(Factor(outer.values, shape: [a.rows, a.columns * terms], precision: outer.precision), options)
        return PreparedChain(
            shape: shape,
            stages: [
                .repeated(PackedMatrix(inner, options), copies: a.columns),
                .transposition(rows: a.columns * terms, columns: b.rows, cell: 1),
                .repeated(outer, copies: b.rows),
                .transposition(rows: b.rows, columns: a.rows, cell: 1),
            ])
    }

    public func dense() -> Matrix {
        let cells = Matrix(rows: outerShape.count, columns: terms, elements: outer.values)
            .multiplied(by: Matrix(rows: terms, columns: innerShape.count, elements: inner.values))
        return Self.assembled(cells, outer: outerShape, inner: innerShape)
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws { [("outer", try outer.tensor), ("inner", try inner.tensor)] }
    }
    public var attributes: FamilyAttributes {
        FamilyAttributes(["outerRows": outerShape.rows, "outerColumns": outerShape.columns, "terms": terms])
    }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let rows = try attributes.divisor("outerRows", of: shape.rows)
        let columns = try attributes.divisor("outerColumns", of: shape.columns)
        let terms = try attributes.integer("terms")
        try attributes.check(shape)
        outer = try tensors.factor("outer", shape: [rows, columns, terms])
        inner = try tensors.factor("inner", shape: [terms, shape.rows / rows, shape.columns / columns])
    }

    public var factors: [Factor] { [outer, inner] }
    public func replacingFactors(_ values: [[Float]]) -> Self {
        Self(outer: outer.replacing(values[0]), inner: inner.replacing(values[1]))
    }
    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        let cells = Self.rearranged(gradient, outer: outerShape, inner: innerShape)
        let a = Matrix(rows: outerShape.count, columns: terms, elements: outer.values)
        let b = Matrix(rows: terms, columns: innerShape.count, elements: inner.values)
        return [
            cells.multiplied(by: b, transposeOther: true).elements,
            a.multiplied(by: cells, transposeSelf: true).elements,
        ]
    }

    /// The blocks of a matrix as rows: row (k, i) is block (k, i), m2 x n2, row-major (Van Loan and Pitsianis). A
    /// Kronecker product becomes a product of rank one.
    package static func rearranged<Scalar>(
        _ matrix: DenseMatrix<Scalar>, outer: MatrixShape, inner: MatrixShape
    ) -> DenseMatrix<Scalar> {
        var result = DenseMatrix<Scalar>(rows: outer.count, columns: inner.count)
        copyCells(outer, inner) { cell, position in result.elements[cell] = matrix.elements[position] }
        return result
    }

    /// The inverse of `rearranged`.
    package static func assembled<Scalar>(
        _ cells: DenseMatrix<Scalar>, outer: MatrixShape, inner: MatrixShape
    ) -> DenseMatrix<Scalar> {
        var result = DenseMatrix<Scalar>(rows: outer.rows * inner.rows, columns: outer.columns * inner.columns)
        copyCells(outer, inner) { cell, position in result.elements[position] = cells.elements[cell] }
        return result
    }

    @inline(__always)
    private static func copyCells(
        _ outer: MatrixShape, _ inner: MatrixShape, _ body: (_ cell: Int, _ position: Int) -> Void
    ) {
        var cell = 0
        for k in 0..<outer.rows {
            for i in 0..<outer.columns {
                for p in 0..<inner.rows {
                    let first = (k * inner.rows + p) * outer.columns * inner.columns + i * inner.columns
                    for q in 0..<inner.columns {
                        body(cell, first + q)
                        cell += 1
                    }
                }
            }
        }
    }
}
