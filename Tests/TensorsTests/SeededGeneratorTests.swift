import Synchronization
import Testing

import Tensors

@Suite struct SeededGeneratorTests {
    @Test func sameSeedSameStream() {
        var first = SeededGenerator(seed: 42)
        var second = SeededGenerator(seed: 42)
        var other = SeededGenerator(seed: 42, stream: "other")
        let draws = (0..<8).map { _ in first.next() }
        #expect(draws == (0..<8).map { _ in second.next() })
        #expect(draws != (0..<8).map { _ in other.next() })
    }

    @Test func normalsHaveUnitMoments() {
        var generator = SeededGenerator(seed: 7)
        let draws = (0..<100_000).map { _ in generator.nextNormal() }
        let mean = draws.reduce(0, +) / Double(draws.count)
        let variance = draws.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(draws.count)
        #expect(abs(mean) < 0.015)
        #expect(abs(variance - 1) < 0.02)
    }

    @Test(arguments: [1, 2, 5])
    func parallelForVisitsEachIndexOnce(threads: Int) throws {
        let context = ExecutionContext(threads: threads)
        let visits = (0..<1000).map { _ in Counter() }
        context.parallelFor(1000) { visits[$0].increment() }
        #expect(visits.map(\.count) == Array(repeating: 1, count: 1000))
        #expect(try context.parallelMap(100) { $0 * $0 } == (0..<100).map { $0 * $0 })
        #expect(throws: TensorError.shapeOverflow(shape: [3])) {
            try context.parallelMap(10) { if $0 >= 3 { throw TensorError.shapeOverflow(shape: [$0]) } }
        }
    }
}
