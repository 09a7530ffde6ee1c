import StructuredMatrices
import Tensors
import Testing

/// The products under all families, on both sides of every switch: kernel or BLAS, one piece or several.
@Suite struct DenseProductTests {
    @Test(arguments: [1, 64, 65, 129], [(3, 5), (64, 33), (400, 300)])
    func productsAndTheirSums(batch: Int, size: (out: Int, in: Int)) {
        var generator = SeededGenerator(seed: 11)
        let w = Matrix.random(rows: size.out, columns: size.in, using: &generator)
        let x = Matrix.random(rows: batch, columns: size.in, using: &generator)
        let y = Matrix.random(rows: batch, columns: size.out, using: &generator)
        for threads in [1, 3] {
            let context = ExecutionContext(threads: threads)
            for accumulating in [false, true] {
                var forward = Matrix(rows: batch, columns: size.out, repeating: 3)
                forward.withMutableView { output in
                    w.withView { w in
                        x.withView {
                            DenseProduct.apply(
                                $0, w, into: output, accumulating: accumulating, context: context)
                        }
                    }
                }
                #expect(Self.error(forward, x, w, start: accumulating ? 3 : 0) < 2e-5)
                var backward = Matrix(rows: batch, columns: size.in, repeating: 3)
                backward.withMutableView { output in
                    w.withView { w in
                        y.withView {
                            DenseProduct.applyTransposed(
                                $0, w, into: output, accumulating: accumulating, context: context)
                        }
                    }
                }
                #expect(Self.error(backward, y, w.transposed(), start: accumulating ? 3 : 0) < 2e-5)
            }
        }
    }

    private static func error(_ got: Matrix, _ x: Matrix, _ w: Matrix, start: Double) -> Double {
        // First and last rows: they lie in different pieces.
        let rows = [0, x.rows - 1]
        func picked(_ matrix: Matrix) -> Matrix {
            Matrix(rows: 2, columns: matrix.columns) { matrix[rows[$0], $1] }
        }
        var reference = w.reference(picked(x))
        for index in reference.product.elements.indices { reference.product.elements[index] += start }
        return picked(got).largestError(reference)
    }
}
