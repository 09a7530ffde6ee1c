import Compression
import Foundation
import ModelFiles
import Synchronization
import Tensors
import Testing

@Suite struct MemoryGateTests {
    @Test func piecesInWorkStayWithinTheLimit() throws {
        let gate = MemoryGate(limit: 100)
        let state = Mutex((taken: 0, most: 0, together: 0, mostTogether: 0, done: 0))
        let sizes = (0..<60).map { 20 + $0 * 37 % 60 }
        DispatchQueue.concurrentPerform(iterations: sizes.count) { index in
            gate.withBytes(sizes[index]) {
                state.withLock { state in
                    state.taken += sizes[index]
                    state.together += 1
                    state.most = max(state.most, state.taken)
                    state.mostTogether = max(state.mostTogether, state.together)
                }
                Thread.sleep(forTimeInterval: 0.001)
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
        #expect(together >= 1)
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
