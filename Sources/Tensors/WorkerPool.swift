import CKernels

/// Threads that stay between pieces of work (see pool.h), and run closures as members of a team.
package final class WorkerPool: @unchecked Sendable {
    /// The process has one pool: two that spin would take each other's processors.
    package static let shared = WorkerPool(members: max(64, 2 * Processors.usable))

    private let pool: OpaquePointer
    /// The largest team.
    package let members: Int

    /// - Parameter members: the largest team, its caller included. Threads start when they are first wanted.
    package init(members: Int) {
        guard let pool = tessera_pool_create(members) else { fatalError("no memory for a pool of threads") }
        self.pool = pool
        self.members = members
    }

    deinit { tessera_pool_destroy(pool) }

    /// Whether the calling thread is a member of a team of several.
    package static var isMember: Bool { tessera_pool_is_member() }

    /// Runs `body` on up to `members` threads at once, the caller's among them; returns when all are done. The caller runs
    /// it alone within a team, and while the pool serves another caller.
    package func run(members: Int, _ body: (Worker) -> Void) {
        guard members > 1 else { return body(.alone) }
        // The pool returns only when every member has; the closure does not outlive this call.
        withoutActuallyEscaping(body) { body in
            var job = Job(body: body)
            withUnsafeMutablePointer(to: &job) { job in
                tessera_pool_run(
                    pool, members,
                    { context, team, index, count in
                        let job = context.assumingMemoryBound(to: Job.self)
                        job.pointee.body(Worker(index: index, count: count, team: team))
                    }, job)
            }
        }
    }

    private struct Job {
        let body: (Worker) -> Void
    }
}

extension ExecutionContext {
    /// No team of this context is larger.
    package var largestTeam: Int { min(threads, WorkerPool.shared.members) }
}
