import Benchmarking
import CKernels
import StructuredMatrices
import Tensors
import Testing

struct TimedProductTests {
    @Test(arguments: RandomFamily.all.map(\.name), [1, 5])
    func productsOfEveryFormEqualTheFamilysOwn(name: String, batch: Int) throws {
        let family = try #require(RandomFamily.all.first { $0.name == name })
        var generator = SeededGenerator(seed: 3)
        let shape = MatrixShape(rows: 96, columns: 160)
        let matrix = try #require(try family.make(shape, 0.5, .f32, &generator))
        #expect(matrix.shape == shape)
        let input = generator.matrix(rows: batch, columns: shape.columns)
        let options = PreparationOptions(activations: family.activations)
        let copies = (0..<2).map { _ in matrix.prepared(options) }
        let timed = TimedProduct(copies, input: input)
        #expect(timed.seconds(repetitions: 3, context: .serial) > 0)
        let expected = try matrix.multiply(input)
        let bound: Float = family.activations == .none ? 1e-5 : 0.03
        // Twice, so that both copies have their turn.
        for _ in 0..<2 {
            let result = timed.result(context: .serial)
            for (a, b) in zip(result.elements, expected.elements) { #expect(abs(a - b) <= bound) }
        }
    }

    @Test func formsHaveAboutTheParametersAskedFor() throws {
        let shape = MatrixShape(rows: 384, columns: 768)
        for family in RandomFamily.all where family.hasPrecision {
            var generator = SeededGenerator(seed: 1)
            let matrix = try #require(try family.make(shape, 0.5, .bf16, &generator))
            let share = Double(matrix.cost.multiplyAdds) / Double(shape.count)
            #expect(abs(share - 0.5) < 0.01, "\(family.name)")
        }
    }

    @Test func sameSeedSameInstance() throws {
        for family in RandomFamily.all {
            func tensors() throws -> [[Float]] {
                var generator = SeededGenerator(seed: 9)
                let matrix = try #require(
                    try family.make(MatrixShape(rows: 64, columns: 64), 0.5, .f32, &generator))
                return [matrix.dense().elements]
            }
            #expect(try tensors() == tensors())
        }
    }

    @Test func shapesThatAFormCannotHaveAreLeftOut() throws {
        var generator = SeededGenerator(seed: 1)
        let odd = MatrixShape(rows: 7, columns: 9)
        for name in ["block-diagonal", "monarch", "blast"] {
            let family = try #require(RandomFamily.all.first { $0.name == name })
            #expect(try family.make(odd, 0.5, .f32, &generator) == nil)
        }
    }

    @Test func coldMeansMoreThanTheCacheHolds() {
        let size = 1 << 20
        #expect(Temperature.hot.copies(of: size) == 1)
        #expect(Temperature.cold.copies(of: size, limit: .max) * size >= 4 * LastLevelCache.byteCount)
        #expect(Temperature.cold.copies(of: size, limit: 3 << 20) <= 3)
        #expect(Temperature.cold.copies(of: size, limit: 0) == 1)
    }

    /// Both walks read every byte once, whatever the length: the same exclusive or as a plain loop's.
    @Test func streamReadsEveryByte() {
        var generator = SeededGenerator(seed: 5)
        for bytes in [0, 1, 7, 8, 63, 512, 513, 1 << 12, 12_345, 65_544] {
            var words = (0..<(bytes + 7) / 8).map { _ in generator.next() }
            if bytes % 8 != 0, let last = words.indices.last {
                words[last] &= (1 << (8 * UInt64(bytes % 8))) - 1
            }
            let expected = words.reduce(0, ^)
            let results = words.withUnsafeBytes { memory -> [UInt64] in
                guard let base = memory.baseAddress else { return [0, 0] }
                return [tessera_stream_read(base, bytes), tessera_stream_read4(base, bytes)]
            }
            #expect(results == [expected, expected], "\(bytes)")
        }
        #expect(StreamRead(byteCount: 1 << 16).bandwidth(passes: 1, context: .serial) > 0)
    }
}
