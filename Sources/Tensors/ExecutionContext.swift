import Dispatch
import Foundation
import Synchronization

/// How much of the machine a call may use.
///
/// Results never depend on the number of threads: work is cut into pieces by its own size alone and
/// every piece is computed by one thread in a fixed order.
public struct ExecutionContext: Sendable {
    /// Threads that `parallelFor` may occupy, from 1 to `mostThreads`.
    public let threads: Int

    /// Beyond any machine; keeps sizes that are computed from the number of threads from overflowing.
    public static let mostThreads = 4096

    /// - Parameter threads: cut to 1...`mostThreads`; nil takes as many as the machine has processors.
    public init(threads: Int? = nil) {
        self.threads = min(max(1, threads ?? ProcessInfo.processInfo.activeProcessorCount), Self.mostThreads)
    }

    /// One thread: for work that is itself a piece of a parallel loop.
    public static let serial = ExecutionContext(threads: 1)

    /// Calls `body` once for every index in `0..<count`, on up to `threads` threads; returns when all are
    /// done. Pieces must not depend on each other. Free threads take the next index, so uneven work balances.
    public func parallelFor(_ count: Int, _ body: @Sendable (Int) -> Void) {
        let workers = min(threads, count)
        guard workers > 1 else {
            for index in 0..<max(0, count) { body(index) }
            return
        }
        let next = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: workers) { _ in
            while true {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < count else { return }
                body(index)
            }
        }
    }

    /// As `parallelFor`, collecting what each index returns, in index order. The first error by index is
    /// thrown after all pieces have ended.
    public func parallelMap<Output: Sendable>(
        _ count: Int, _ body: @Sendable (Int) throws -> Output
    ) throws -> [Output] {
        let results = Mutex<[Result<Output, any Error>?]>(Array(repeating: nil, count: max(0, count)))
        parallelFor(count) { index in
            let result = Result { try body(index) }
            results.withLock { $0[index] = result }
        }
        return try results.withLock { try $0.compactMap { try $0?.get() } }
    }
}
