import Benchmarking
import Testing

@Suite(.serialized) struct ResidentMemoryTests {
    /// Others of the process may take and give back memory meanwhile, so bounds are wide.
    @Test func whatIsTakenIsTold() {
        let size = 256 << 20
        let (sum, bytes) = ResidentMemory.growth { () -> Int in
            let memory = [UInt8](repeating: 1, count: size)
            return memory.withUnsafeBufferPointer { bytes in
                stride(from: 0, to: size, by: 4096).reduce(0) { $0 + Int(bytes[$1]) }
            }
        }
        #expect(sum == size / 4096)
        #if os(Linux)
            #expect(bytes.map { $0 > size / 2 } != false)
        #endif
    }

    @Test func errorsPassThrough() {
        struct Failure: Error {}
        #expect(throws: Failure.self) { try ResidentMemory.growth { throw Failure() } }
    }
}
