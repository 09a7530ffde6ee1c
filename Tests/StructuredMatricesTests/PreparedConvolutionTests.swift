import LinearAlgebra
import StructuredMatrices
import Tensors
import Testing

/// Circulant and Toeplitz matrices long enough to be multiplied through the Fourier transform.
@Suite(.enabled(if: RealFourierTransform.of(size: 8) != nil, "libfftw3f is not installed"))
struct PreparedConvolutionTests {
    private func factor(_ shape: [Int], seed: UInt64) -> Factor {
        var generator = SeededGenerator(seed: seed)
        return .random(shape, .f32, &generator)
    }

    private func product(_ prepared: any PreparedProduct, _ x: Matrix, threads: Int) -> Matrix {
        var result = Matrix(rows: x.rows, columns: prepared.shape.rows) { _, _ in .nan }
        nonisolated(unsafe) let memory = UnsafeMutablePointer<Float>.allocate(
            capacity: prepared.scratchFloats(batch: x.rows) + 1)
        defer { memory.deallocate() }
        x.withView { x in
            result.withMutableView { y in
                ExecutionContext(threads: threads).team { prepared.apply(x, into: y, scratch: memory, worker: $0) }
            }
        }
        return result
    }

    /// Sizes even and odd, several blocks each way, more rows than columns and fewer.
    private var matrices: [any StructuredMatrix] {
        [
            BlockCirculant(cycles: factor([1, 1, 512], seed: 1)), BlockCirculant(cycles: factor([1, 1, 625], seed: 2)),
            BlockCirculant(cycles: factor([2, 3, 540], seed: 3)),
            Toeplitz(diagonals: factor([512], seed: 4), shape: MatrixShape(rows: 256, columns: 257)),
            Toeplitz(diagonals: factor([700], seed: 5), shape: MatrixShape(rows: 601, columns: 100)),
            Toeplitz(diagonals: factor([700], seed: 6), shape: MatrixShape(rows: 1, columns: 700)),
        ]
    }

    @Test func theTransformIsTheDirectProduct() throws {
        for matrix in matrices {
            let prepared = matrix.prepared(PreparationOptions())
            // Spectra, not the stored numbers.
            #expect(prepared.byteCount > matrix.cost.storedBytes)
            var generator = SeededGenerator(seed: 7)
            let x = Matrix.random(rows: 5, columns: matrix.shape.columns, using: &generator)
            let expected = try matrix.multiply(x)
            let result = product(prepared, x, threads: 1)
            #expect((result - expected).squaredNorm < 1e-11 * expected.squaredNorm)
            // The bits of a row depend on that row alone.
            #expect(product(prepared, x, threads: 2) == result)
            let alone = product(prepared, x.block(rows: 2..<3, columns: 0..<x.columns), threads: 1)
            #expect(Array(alone.elements) == Array(result.row(2)))
        }
    }

    @Test func shortOnesAreMultipliedDirectly() {
        for matrix in [
            BlockCirculant(cycles: factor([2, 2, 64], seed: 1)),
            Toeplitz(diagonals: factor([100], seed: 2), shape: MatrixShape(rows: 50, columns: 51)),
        ] as [any StructuredMatrix] {
            #expect(matrix.prepared(PreparationOptions()).byteCount == matrix.cost.storedBytes)
        }
    }
}
