import Foundation
import Synchronization
import Tensors
import Testing

@Suite struct WorkerPoolTests {
    /// Every member writes its own slot, waits, and reads all the others: a slot of another round means that the barrier
    /// let someone through. More members than this machine has processors must do as well.
    @Test(arguments: [1, 2, 5]) func barriersSeparateRounds(members: Int) {
        let pool = WorkerPool(members: members)
        let rounds = 2000
        let slots = (0..<members).map { _ in Counter() }
        let mismatches = Counter()
        pool.run(members: members) { worker in
            #expect(worker.count == members)
            for round in 1...rounds {
                slots[worker.index].value.store(round, ordering: .relaxed)
                worker.barrier()
                for slot in slots where slot.value.load(ordering: .relaxed) != round { mismatches.increment() }
                worker.barrier()
            }
        }
        #expect(mismatches.count == 0)
        #expect(slots.allSatisfy { $0.count == rounds })
    }

    /// What is written before a barrier with plain stores is read after it, by all.
    @Test(arguments: [2, 3]) func barriersPublishPlainMemory(members: Int) {
        let pool = WorkerPool(members: members)
        let memory = UnsafeMutableBufferPointer<Int>.allocate(capacity: 64)
        defer { memory.deallocate() }
        memory.initialize(repeating: 0)
        nonisolated(unsafe) let numbers = memory
        pool.run(members: members) { worker in
            for _ in 0..<500 {
                for index in worker.share(of: 64) { numbers[index] += 1 }
                worker.barrier()
                let sum = numbers.reduce(0, +)
                worker.barrier()
                for index in worker.share(of: 64) { numbers[index] += sum % 2 }
                worker.barrier()
            }
        }
        #expect(Set(numbers).count == 1)
    }

    @Test func manyTeamsOfChangingSize() {
        let pool = WorkerPool(members: 5)
        let calls = Counter()
        var expected = 0
        for round in 0..<5000 {
            let members = round % 5 + 1
            expected += members
            pool.run(members: members) { worker in
                if worker.count == members && worker.index < members { calls.increment() }
            }
        }
        #expect(calls.count == expected)
    }

    /// Longer than threads spin, so that they sleep between the teams and while waiting for the slowest member.
    @Test func sleepingThreadsWakeUp() {
        let pool = WorkerPool(members: 3)
        for slow in 0..<3 {
            let calls = Counter()
            pool.run(members: 3) { worker in
                if worker.index == slow { usleep(5000) }
                calls.increment()
            }
            #expect(calls.count == 3)
            usleep(5000)
        }
    }

    @Test func membersRunTeamsAndLoopsAlone() {
        let pool = WorkerPool(members: 3)
        let (teams, indices) = (Counter(), Counter())
        pool.run(members: 3) { worker in
            #expect(WorkerPool.isMember)
            nonisolated(unsafe) let thread = Thread.current
            ExecutionContext(threads: 4).team { inner in
                #expect(inner.count == 1 && inner.index == 0)
                inner.barrier()
                teams.increment()
            }
            ExecutionContext(threads: 4).parallelFor(10) { _ in
                #expect(Thread.current == thread)
                indices.increment()
            }
            worker.barrier()
            #expect(indices.count == 30)
        }
        #expect(teams.count == 3)
        #expect(!WorkerPool.isMember)
    }

    /// Two callers at once: one of them works alone, and both get all their work done.
    @Test func callersFromDifferentThreads() {
        let pool = WorkerPool(members: 2)
        let work = Counter()
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<2000 {
                let shares = Counter()
                pool.run(members: 2) { worker in
                    shares.value.add(worker.share(of: 7).count, ordering: .relaxed)
                    worker.barrier()
                    if shares.count == 7 && worker.index == 0 { work.increment() }
                }
            }
        }
        #expect(work.count == 8000)
    }

    @Test func sharesCoverEverythingOnce() {
        for count in 1...5 {
            WorkerPool(members: count).run(members: count) { worker in
                for (total, grain) in [(0, 1), (1, 1), (3, 1), (100, 16), (100, 64), (1000, 7)] {
                    let share = worker.share(of: total, grain: grain)
                    #expect(share.lowerBound % grain == 0 || share.isEmpty)
                    #expect(share.upperBound % grain == 0 || share.upperBound == total)
                    #expect(worker.index > 0 || share.lowerBound == 0)
                    #expect(worker.index < count - 1 || share.upperBound == total)
                }
            }
        }
        #expect(Worker.alone.share(of: 10, grain: 3) == 0..<10)
    }

    @Test func processorsAreCounted() {
        #expect(Processors.usable >= 1)
        #expect((1...Processors.usable).contains(Processors.cores))
        #expect(ExecutionContext().threads == Processors.cores)
    }
}

/// A number that many threads count on.
final class Counter: Sendable {
    let value = Atomic<Int>(0)
    var count: Int { value.load(ordering: .relaxed) }
    func increment() { value.add(1, ordering: .relaxed) }
}
