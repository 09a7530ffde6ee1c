import Benchmarking
import Testing

@Suite(.serialized) struct ResidentMemoryTests {
    /// Other tests of the process may give back as much in the same moment, or set the peak back: what is taken must be seen
    /// once in several times.
    @Test func whatIsTakenIsTold() {
        let size = 256 << 20
        var growths: [Int?] = []
        repeat {
            let (sum, bytes) = ResidentMemory.growth { () -> Int in
                let memory = [UInt8](repeating: 1, count: size)
                return memory.withUnsafeBufferPointer { bytes in
                    stride(from: 0, to: size, by: 4096).reduce(0) { $0 + Int(bytes[$1]) }
                }
            }
            #expect(sum == size / 4096)
            growths.append(bytes)
        } while growths.count < 20 && !growths.contains { ($0 ?? .max) > size / 2 }
        #if os(Linux)
            #expect(growths.contains { ($0 ?? .max) > size / 2 }, "\(growths)")
        #endif
    }

    @Test func errorsPassThrough() {
        struct Failure: Error {}
        #expect(throws: Failure.self) { try ResidentMemory.growth { throw Failure() } }
    }
}
