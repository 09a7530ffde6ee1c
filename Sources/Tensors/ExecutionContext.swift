import Synchronization

/// How much of the machine a call may use.
///
/// Results never depend on the number of threads: work is cut into pieces by its own size alone and
/// every piece is computed by one thread in a fixed order.
public struct ExecutionContext: Sendable {
    /// Threads that a call may occupy, from 1 to `mostThreads`.
    public let threads: Int

    /// Beyond any machine; keeps sizes that are computed from the number of threads from overflowing.
    public static let mostThreads = 4096

    /// - Parameter threads: cut to 1...`mostThreads`; nil takes as many as there are physical cores to use.
    public init(threads: Int? = nil) {
        self.threads = min(max(1, threads ?? Processors.cores), Self.mostThreads)
    }

    /// One thread: for work that is itself a piece of a parallel loop.
    public static let serial = ExecutionContext(threads: 1)

    /// Calls `body` once for every index in `0..<count`, on up to `threads` threads; returns when all are
    /// done. Pieces must not depend on each other. Free threads take the next index, so uneven work balances.
    /// Within a parallel loop or a team, the caller runs all of it.
    public func parallelFor(_ count: Int, _ body: @Sendable (Int) -> Void) {
        let workers = min(threads, count)
        guard workers > 1, !WorkerPool.isMember else {
            for index in 0..<max(0, count) { body(index) }
            return
        }
        let next = Atomic<Int>(0)
        WorkerPool.shared.run(members: workers) { _ in
            while true {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < count else { return }
                body(index)
            }
        }
    }

    /// As `parallelFor`, collecting what each index returns, in index order. After an error no further pieces are
    /// begun; of those that failed, the error of the first by index is thrown.
    /// - Parameter progress: told after each piece how many are done and how many there are, in rising order, by whichever
    ///   thread did the piece, one at a time: the caller may be busy with a long piece itself. An error it throws ends
    ///   the loop.
    public func parallelMap<Output: Sendable>(
        _ count: Int, progress: LoopProgress = { _, _ in }, _ body: @Sendable (Int) throws -> Output
    ) throws -> [Output] {
        let count = max(0, count)
        // Every element is written by one thread, and read when all are done.
        nonisolated(unsafe) let results = UnsafeMutableBufferPointer<Result<Output, any Error>?>.allocate(capacity: count)
        results.initialize(repeating: nil)
        defer {
            results.deinitialize()
            results.deallocate()
        }
        let next = Atomic<Int>(0)
        let stopped = Atomic<Bool>(false)
        let done = Atomic<Int>(0)
        let reporting = Mutex<Void>(())
        var interruption: (any Error)?
        WorkerPool.shared.run(members: min(threads, count)) { _ in
            while !stopped.load(ordering: .relaxed) {
                // Indices are given out in order, so those before one that fails have all begun.
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < count else { return }
                let result = Result { try body(index) }
                results[index] = result
                if case .failure = result { stopped.store(true, ordering: .relaxed) }
                reporting.withLock { _ in
                    // The order that the lock makes is said once more by the counter: sanitizers do not see that the
                    // system hands a contended lock from thread to thread.
                    let finished = done.load(ordering: .acquiring) + 1
                    if interruption == nil {
                        do { try progress(finished, count) } catch {
                            interruption = error
                            stopped.store(true, ordering: .relaxed)
                        }
                    }
                    done.store(finished, ordering: .releasing)
                }
            }
        }
        if let interruption { throw interruption }
        return try results.compactMap { try $0?.get() }
    }
}

/// Told how many pieces of a loop are done and how many there are; what it throws ends the loop.
public typealias LoopProgress = (_ done: Int, _ total: Int) throws -> Void
