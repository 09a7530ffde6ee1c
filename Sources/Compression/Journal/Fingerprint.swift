import Foundation
import Tensors

/// A 128-bit digest that tells two inputs apart by accident, not by malice: two FNV-1a lanes over 8-byte words.
public struct Fingerprint: Sendable, Hashable {
    private var first: UInt64 = 0xCBF2_9CE4_8422_2325
    private var second: UInt64 = 0x9E37_79B9_7F4A_7C15

    public init() {}

    public mutating func add(_ bytes: UnsafeRawBufferPointer) {
        mix(bytes)
        mix(UInt64(bytes.count))
    }

    private mutating func mix(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while offset + 8 <= bytes.count {
            mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset += 8
        }
        while offset < bytes.count {
            mix(UInt64(bytes[offset]))
            offset += 1
        }
    }

    public mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
    }

    /// Adds a file's bytes, mapped rather than read, a few at a time.
    /// - Throws: `TensorError.fileNotReadable`.
    public mutating func add(fileAt path: String) throws {
        let storage = try TensorStorage(mapping: path, isStreamed: true)
        // Pieces are whole words but for the last one, so the digest is that of all bytes at once.
        storage.forEachPiece { mix($0) }
        mix(UInt64(storage.byteCount))
    }

    private mutating func mix(_ word: UInt64) {
        first = (first ^ word) &* 0x100_0000_01B3
        first ^= first >> 29
        second = (second ^ (word &+ 0x632B_E59B_D9B4_E019)) &* 0xFF51_AFD7_ED55_8CCD
        second ^= second >> 33
    }

    /// 32 hexadecimal digits.
    public var text: String {
        func digits(_ word: UInt64) -> String {
            let text = String(word, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        return digits(first) + digits(second)
    }
}
