import Tensors
import Testing

@Suite struct ExecutionContextTests {
    @Test func threadsAreKeptWithinBounds() {
        #expect(ExecutionContext(threads: 3).threads == 3)
        for threads in [0, -1, Int.min] { #expect(ExecutionContext(threads: threads).threads == 1) }
        #expect(ExecutionContext(threads: .max).threads == ExecutionContext.mostThreads)
        #expect(ExecutionContext().threads >= 1)
    }

    @Test(arguments: [1, 2, 7])
    func resultsAreInOrderAndTheFirstErrorIsThrown(threads: Int) throws {
        struct Refusal: Error, Equatable { let index: Int }
        let context = ExecutionContext(threads: threads)
        #expect(try context.parallelMap(100) { $0 * $0 } == (0..<100).map { $0 * $0 })
        #expect(try context.parallelMap(0) { $0 } == [])
        #expect(throws: Refusal(index: 40)) {
            try context.parallelMap(100) { index in
                if index >= 40 { throw Refusal(index: index) }
                return index
            }
        }
    }
}
