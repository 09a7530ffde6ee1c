import Tensors

/// C = alpha op(A) op(B) + beta C on views, on the calling thread. op(A) is C.rows x k, op(B) k x C.columns.
///
/// Trusts shapes; 2 m n k floating-point operations.
@inlinable
public func multiply<Scalar: LinearAlgebraScalar>(
    _ a: DenseMatrixView<Scalar>, transposeA: Bool = false, _ b: DenseMatrixView<Scalar>, transposeB: Bool = false,
    alpha: Scalar = 1, beta: Scalar = 0, into c: MutableDenseMatrixView<Scalar>
) {
    let inner = transposeA ? a.rows : a.columns
    guard c.rows > 0, c.columns > 0 else { return }
    Scalar.gemm(
        transposeA, transposeB, c.rows, c.columns, inner, alpha, a.base, max(1, a.rowStride), b.base,
        max(1, b.rowStride), beta, c.base, max(1, c.rowStride))
}

extension DenseMatrix where Scalar: LinearAlgebraScalar {
    // Inlinable like the sum below: unspecialised, filling the result with zeros took a sixth of some fits.

    /// op(self) op(other), on the calling thread.
    /// - Precondition: the inner dimensions agree.
    @inlinable
    public func multiplied(by other: Self, transposeSelf: Bool = false, transposeOther: Bool = false) -> Self {
        let (outer, inner) = transposeSelf ? (columns, rows) : (rows, columns)
        let (otherInner, otherOuter) = transposeOther ? (other.columns, other.rows) : (other.rows, other.columns)
        precondition(inner == otherInner, "inner dimensions \(inner) and \(otherInner) differ")
        var result = Self(rows: outer, columns: otherOuter)
        result.withMutableView { c in
            withView { a in
                other.withView { b in
                    multiply(a, transposeA: transposeSelf, b, transposeB: transposeOther, into: c)
                }
            }
        }
        return result
    }

    /// self^T self (columns x columns), symmetric in every bit.
    @inlinable
    public func gramian() -> Self {
        var result = Self(rows: columns, columns: columns)
        result.addGramian(of: self)
        return result
    }

    /// Adds `matrix`^T `matrix` to a symmetric self.
    @inlinable
    public mutating func addGramian(of matrix: Self) {
        precondition(rows == matrix.columns && columns == matrix.columns)
        withMutableView { c in
            matrix.withView { a in
                Scalar.syrk(a.columns, a.rows, 1, a.base, max(1, a.rowStride), 1, c.base, max(1, c.rowStride))
            }
            for row in 0..<c.rows {
                for column in 0..<row { c.row(column)[row] = c.row(row)[column] }
            }
        }
    }

    /// Sum over elements of self * other, accumulated in `Double`. Inlinable, because unspecialised it is a hundred times slower.
    @inlinable
    public func innerProduct(_ other: Self) -> Double {
        precondition(rows == other.rows && columns == other.columns)
        return elements.withUnsafeBufferPointer { left in
            other.elements.withUnsafeBufferPointer { right in
                var sum = 0.0
                for index in left.indices { sum += Double(left[index]) * Double(right[index]) }
                return sum
            }
        }
    }

    @inlinable
    public mutating func scale(by factor: Scalar) {
        for index in elements.indices { elements[index] *= factor }
    }
}

extension DoubleMatrix {
    /// self L, where L is the lower triangle of `other` with its diagonal: half of the work of a product.
    public func multiplied(byLowerTriangleOf other: Self) -> Self {
        precondition(columns == other.rows && columns == other.columns)
        var result = self
        guard rows > 0, columns > 0 else { return result }
        result.withMutableView { b in
            other.withView { l in
                Double.trmm(b.rows, b.columns, l.base, max(1, l.rowStride), b.base, max(1, b.rowStride))
            }
        }
        return result
    }
}
