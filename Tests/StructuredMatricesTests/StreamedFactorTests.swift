import Foundation
import StructuredMatrices
import Tensors
import Testing

/// A matrix that is read from its file at every use gives the bits of one in memory.
@Suite struct StreamedFactorTests {
    /// The same numbers twice: lying in a streamed file, behind `offset` bytes that are something else, and in memory.
    private func matrices(
        rows: Int, columns: Int, type: ElementType, offset: Int = 4096
    ) throws -> (streamed: Dense, kept: Dense) {
        var generator = SeededGenerator(seed: 7)
        let values = (0..<rows * columns).map { _ in Float(generator.nextNormal()) }
        let tensor = try Tensor(values, shape: [rows, columns], elementType: type)
        let file = FileManager.default.temporaryDirectory.appending(path: "tessera-streamed-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try (Data(count: offset) + tensor.withBytes { Data($0) } + Data(count: 100)).write(to: file)
        let storage = try TensorStorage(mapping: file.path, isStreamed: true)
        let mapped = try Tensor(elementType: type, shape: [rows, columns], storage: storage, byteOffset: offset)
        let shape = MatrixShape(rows: rows, columns: columns)
        func dense(_ tensor: Tensor) throws -> Dense {
            try Dense(shape: shape, tensors: TensorLookup([("weight", tensor)]), attributes: FamilyAttributes())
        }
        return (try dense(mapped), try dense(tensor))
    }

    private func product(_ matrix: Dense, _ x: Matrix, threads: Int, prepared: Bool) -> Matrix {
        var result = Matrix(rows: x.rows, columns: matrix.shape.rows) { _, _ in .nan }
        let context = ExecutionContext(threads: threads)
        nonisolated(unsafe) let scratch = UnsafeMutablePointer<Float>.allocate(
            capacity: max(1, UnpackedProduct(matrix).scratchFloats(batch: x.rows)))
        defer { scratch.deallocate() }
        x.withView { x in
            result.withMutableView { y in
                if prepared {
                    context.team { UnpackedProduct(matrix).apply(x, into: y, scratch: scratch, worker: $0) }
                } else {
                    matrix.apply(x, into: y, context: context)
                }
            }
        }
        return result
    }

    @Test(arguments: [ElementType.f16, .bf16, .f32])
    func productsAreTheSameBits(type: ElementType) throws {
        // Below and above the size from which products are cut into pieces.
        for (rows, columns) in [(60, 50), (900, 700)] {
            let (streamed, kept) = try matrices(rows: rows, columns: columns, type: type)
            var generator = SeededGenerator(seed: 8)
            for batch in [1, 3, 64, 65, 130, 300] {
                let x = Matrix.random(rows: batch, columns: columns, using: &generator)
                for (threads, prepared) in [(1, false), (1, true), (3, false), (3, true)] {
                    #expect(
                        product(streamed, x, threads: threads, prepared: prepared)
                            == product(kept, x, threads: threads, prepared: prepared),
                        "\(rows) x \(columns), batch \(batch), \(threads) threads")
                }
            }
        }
    }

    @Test func valuesAreReadAgain() throws {
        // An odd place in the file: halves that are not aligned take the slow way, and pages are shared with others.
        for offset in [0, 1, 4095] {
            let (streamed, kept) = try matrices(rows: 300, columns: 40, type: .f16, offset: offset)
            for _ in 0..<2 {
                #expect(streamed.dense() == kept.dense())
                #expect(streamed.gather(rows: [299, 0, 17, 17]) == kept.gather(rows: [299, 0, 17, 17]))
                #expect(try streamed.weight.tensor.withBytes { Data($0) } == kept.weight.tensor.withBytes { Data($0) })
            }
            var x = Matrix(rows: 5, columns: 300) { Float($0 * 7 + $1) }
            x.elements[3] = -1
            #expect(try streamed.multiplyTransposed(x) == kept.multiplyTransposed(x))
        }
    }
}
