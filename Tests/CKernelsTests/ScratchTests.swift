import CKernels
import Testing

@Suite struct ScratchTests {
    /// Pieces taken on top of each other, of any size, keep their contents until they are given back.
    @Test func piecesDoNotOverlap() throws {
        for round in 0..<50 {
            let sizes = (0..<round % 20 + 1).map { ($0 * 7919 + round * 104_729) % 200_000 }
            var pieces: [UnsafeMutableRawPointer] = []
            for (index, size) in sizes.enumerated() {
                let piece = try #require(tessera_scratch_take(size))
                #expect(Int(bitPattern: piece) % 64 == 0)
                piece.initializeMemory(as: UInt8.self, repeating: UInt8(index), count: size)
                pieces.append(piece)
            }
            for (index, size) in sizes.enumerated().reversed() {
                let bytes = UnsafeRawBufferPointer(start: pieces[index], count: size)
                #expect(bytes.allSatisfy { $0 == UInt8(index) })
                tessera_scratch_give(pieces[index])
            }
        }
    }

    @Test func whatCannotBeHadIsRefused() {
        #expect(tessera_scratch_take(.max) == nil)
        #expect(tessera_scratch_take(.max / 2) == nil)
    }
}
