import Compression
import Foundation
import ModelFiles
import Synchronization
import Tensors
import Testing

@Suite struct MemoryGateTests {
    /// Calls `body` with every index, on several threads however few processors there are.
    private func onThreads(_ count: Int, _ indices: Range<Int>, _ body: @escaping @Sendable (Int) -> Void) {
        let next = Mutex(indices.lowerBound)
        let group = DispatchGroup()
        for _ in 0..<count {
            group.enter()
            Thread.detachNewThread {
                while true {
                    let index = next.withLock { next in
                        defer { next += 1 }
                        return next
                    }
                    guard index < indices.upperBound else { break }
                    body(index)
                }
                group.leave()
            }
        }
        group.wait()
    }

    /// Two pieces wait for each other within the gate; what else is in work leaves room for both.
    @Test func piecesThatFitAreInWorkTogether() throws {
        let gate = MemoryGate(limit: 100)
        let state = Mutex((taken: 0, most: 0, together: 0, mostTogether: 0, done: 0))
        let sizes = (0..<60).map { 20 + $0 * 37 % 41 }
        let meeting = sizes.indices.filter { sizes[$0] == 20 }
        try #require(meeting.count == 2 && sizes.max() == 60)
        let arrivals = meeting.map { _ in DispatchSemaphore(value: 0) }
        let met = Mutex(0)
        onThreads(4, sizes.indices) { index in
            gate.withBytes(sizes[index]) {
                state.withLock { state in
                    state.taken += sizes[index]
                    state.together += 1
                    state.most = max(state.most, state.taken)
                    state.mostTogether = max(state.mostTogether, state.together)
                }
                if let own = meeting.firstIndex(of: index) {
                    arrivals[own].signal()
                    // A gate that lets one in at a time would never end this wait.
                    if arrivals[1 - own].wait(timeout: .now() + 60) == .success { met.withLock { $0 += 1 } }
                }
                state.withLock { state in
                    state.taken -= sizes[index]
                    state.together -= 1
                    state.done += 1
                }
            }
        }
        let (most, together, done) = state.withLock { ($0.most, $0.mostTogether, $0.done) }
        #expect(done == sizes.count)
        #expect(most <= 100)
        #expect(together > 1)
        #expect(met.withLock { $0 } == 2)
    }

    /// A piece that does not fit beside those in work begins when one of them ends, not before.
    @Test func whatDoesNotFitWaitsItsTurn() throws {
        let gate = MemoryGate(limit: 100)
        let order = Mutex<[String]>([])
        let group = DispatchGroup()
        func begin(_ name: String, bytes: Int, until end: DispatchSemaphore?) -> DispatchSemaphore {
            let began = DispatchSemaphore(value: 0)
            group.enter()
            Thread.detachNewThread {
                gate.withBytes(bytes) {
                    order.withLock { $0.append(name) }
                    began.signal()
                    end?.wait()
                    order.withLock { $0.append("\(name) ends") }
                }
                group.leave()
            }
            return began
        }
        let (first, second) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        begin("first", bytes: 50, until: first).wait()
        begin("second", bytes: 40, until: second).wait()
        let large = begin("large", bytes: 60, until: nil)
        #expect(large.wait(timeout: .now() + 0.05) == .timedOut)
        first.signal()
        large.wait()
        second.signal()
        group.wait()
        #expect(order.withLock { Array($0.prefix(4)) } == ["first", "second", "first ends", "large"])
    }

    @Test func whatExceedsTheLimitRunsAlone() throws {
        let gate = MemoryGate(limit: 100)
        let state = Mutex((running: 0, largeRan: false))
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            let isLarge = index == 3
            gate.withBytes(isLarge ? 1000 : 30) {
                let others = state.withLock { state in
                    state.running += 1
                    if isLarge { state.largeRan = true }
                    return state.running
                }
                Thread.sleep(forTimeInterval: 0.002)
                if isLarge { #expect(others == 1 && state.withLock { $0.running } == 1) }
                state.withLock { $0.running -= 1 }
            }
        }
        #expect(state.withLock { $0.largeRan })
        // An error leaves no trace.
        struct Problem: Error {}
        #expect(throws: Problem.self) { try gate.withBytes(100) { throw Problem() } }
        #expect(gate.withBytes(100) { 5 } == 5)
    }

    @Test(arguments: [false, true])
    func spilledStatesComeBack(isLarge: Bool) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-states-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // Either side of what is kept in memory.
        let columns = isLarge ? SpilledStates.memoryLimit / 4 / 100 : 1000
        let rows = [40, 1, 77]
        let states = try SpilledStates(rows: rows, columns: columns, folder: folder)
        func matrix(_ batch: Int) -> Matrix {
            Matrix(rows: rows[batch], columns: columns) { Float(batch * 1000 + $0) + Float($1) / 4096 }
        }
        #expect(try states.states(of: 1) == nil)
        for batch in [2, 0, 1] { try states.set(matrix(batch), of: batch) }
        for batch in 0..<3 {
            let expected = matrix(batch)
            #expect(try states.states(of: batch) == expected)
            var seen = 0
            try states.forEachRow(of: batch) { row, values in
                #expect(row == seen && values == expected.row(row))
                seen += 1
            }
            #expect(seen == rows[batch])
        }
        // The file has no name, so that nothing stays behind.
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        if isLarge {
            let nowhere = folder.appending(path: "nowhere")
            #expect(throws: ModelFileError.self) { try SpilledStates(rows: rows, columns: columns, folder: nowhere) }
        }
    }
}
