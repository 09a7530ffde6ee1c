import Foundation
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

    @Test(arguments: [1, 2, 7])
    func afterAnErrorNothingIsBegun(threads: Int) {
        let begun = Counter()
        #expect(throws: CancellationError.self) {
            try ExecutionContext(threads: threads).parallelMap(1_000_000) { index in
                begun.increment()
                if index == 3 { throw CancellationError() }
            }
        }
        #expect(begun.count < 1_000_000)
    }

    @Test(arguments: [1, 2, 7])
    func progressIsToldOfEveryPieceInOrderAndEndsTheLoop(threads: Int) throws {
        let context = ExecutionContext(threads: threads)
        var last = 0
        let squares = try context.parallelMap(
            50,
            progress: { done, total in
                #expect(done == last + 1 && total == 50)
                last = done
            }, { $0 * $0 })
        #expect(squares == (0..<50).map { $0 * $0 })
        #expect(last == 50)
        let begun = Counter()
        #expect(throws: CancellationError.self) {
            try context.parallelMap(
                1_000_000, progress: { done, _ in if done >= 10 { throw CancellationError() } },
                { _ in begun.increment() })
        }
        #expect(begun.count < 1_000_000)
    }
}
