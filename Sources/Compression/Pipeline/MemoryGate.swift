import Foundation

/// Lets pieces of work begin as long as what they need fits in memory together, in the order in which they ask; one that
/// needs more than the limit by itself runs alone.
package final class MemoryGate: @unchecked Sendable {
    /// Bytes.
    package let limit: Int
    private let condition = NSCondition()
    private var taken = 0
    private var running = 0
    private var nextTicket = 0
    private var served = 0

    package init(limit: Int) { self.limit = limit }

    /// Runs `body`, which needs about `bytes`, when there is room for it. Not to be nested.
    package func withBytes<Value>(_ bytes: Int, _ body: () throws -> Value) rethrows -> Value {
        condition.lock()
        let ticket = nextTicket
        nextTicket += 1
        // Without the order, a large piece would wait until no small one is left.
        while served != ticket || (running > 0 && taken + bytes > limit) { condition.wait() }
        served += 1
        running += 1
        taken += bytes
        condition.broadcast()
        condition.unlock()
        defer {
            condition.lock()
            running -= 1
            taken -= bytes
            condition.broadcast()
            condition.unlock()
        }
        return try body()
    }
}
