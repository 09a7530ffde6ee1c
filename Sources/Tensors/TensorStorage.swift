import Foundation
import Synchronization

/// Bytes that one or more tensors share: memory owned here, or a file mapped read-only.
///
/// The bytes never change after initialisation, so sharing between threads is safe.
public final class TensorStorage: @unchecked Sendable {
    /// Whether its readers keep nothing that they decoded and give pages back once read: of a file that is larger than
    /// what the process may hold.
    public let isStreamed: Bool
    private let bytes: UnsafeRawBufferPointer
    private let givenBack = Atomic<Int>(0)
    private let release: @Sendable () -> Void

    /// Owned memory of `byteCount` bytes, 64-byte aligned, filled by `body`.
    /// - Parameter isReadOften: whether it may lie among others in large pages, which are freed with the last of them.
    public init(
        byteCount: Int, isReadOften: Bool = false, filledBy body: (UnsafeMutableRawBufferPointer) throws -> Void
    ) rethrows {
        let memory: UnsafeMutableRawPointer
        let release: @Sendable () -> Void
        if isReadOften, LargePageBlock.pieces.contains(byteCount) {
            let piece = LargePageBlock.take(byteCount)
            memory = piece.memory
            let block = piece.block
            release = { withExtendedLifetime(block) {} }
        } else {
            memory = UnsafeMutableRawPointer.allocateAligned(byteCount: byteCount)
            nonisolated(unsafe) let owned = memory
            release = { owned.deallocate() }
        }
        let used = UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
        do {
            try body(used)
        } catch {
            release()
            throw error
        }
        isStreamed = false
        bytes = UnsafeRawBufferPointer(used)
        self.release = release
    }

    /// Maps a whole file read-only. Pages are read when touched; nothing is copied.
    /// - Throws: `TensorError.fileNotReadable`.
    public init(mapping path: String, isStreamed: Bool = false) throws {
        self.isStreamed = isStreamed
        func failure(_ what: String) -> TensorError {
            .fileNotReadable(path: path, reason: "\(what): \(String(cString: strerror(errno)))")
        }
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw failure("open") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("stat") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw TensorError.fileNotReadable(path: path, reason: "not a regular file")
        }
        let count = Int(status.st_size)
        guard count > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            release = {}
            return
        }
        guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw failure("mmap")
        }
        nonisolated(unsafe) let mapped = address
        bytes = UnsafeRawBufferPointer(start: address, count: count)
        release = { munmap(mapped, count) }
    }

    deinit { release() }

    public var byteCount: Int { bytes.count }

    /// Where the storage is streamed: tells the system that these bytes were read, so that their pages no longer count as
    /// this process's memory. Reading them again is right, and costs what reading a file costs.
    func giveBack(_ range: Range<Int>) {
        guard isStreamed, !range.isEmpty, let base = bytes.baseAddress else { return }
        // With one page the system maps those around it, which then count as well (64 KiB on Linux).
        let window = Self.mappedAround
        let first = Int(bitPattern: base) + range.lowerBound
        let end = min((first + range.count + window - 1) / window * window, Int(bitPattern: base) + byteCount)
        let start = max(first / window * window, Int(bitPattern: base))
        guard let address = UnsafeMutableRawPointer(bitPattern: start) else { return }
        // Only a hint: a system that does not follow it keeps the pages, and nothing else changes.
        _ = madvise(address, end - start, MADV_DONTNEED)
        // Some stay all the same; now and then all are given back, and readers under way fetch theirs again.
        let before = givenBack.wrappingAdd(range.count, ordering: .relaxed).oldValue
        if (before + range.count) / Self.bytesBetweenSweeps > before / Self.bytesBetweenSweeps {
            _ = madvise(UnsafeMutableRawPointer(mutating: base), byteCount, MADV_DONTNEED)
        }
    }

    private static let mappedAround = 64 << 10
    private static let bytesBetweenSweeps = 256 << 20

    /// Bytes that a streamed storage is read at a time.
    static let pieceByteCount = 8 << 20

    /// Shows `body` a range of the bytes piece after piece, giving each back where the storage is streamed.
    public func forEachPiece(of range: Range<Int>? = nil, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        let range = range ?? 0..<byteCount
        try withBytes { bytes in
            for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.pieceByteCount) {
                let piece = first..<min(range.upperBound, first + Self.pieceByteCount)
                try body(UnsafeRawBufferPointer(rebasing: bytes[piece]))
                giveBack(piece)
            }
        }
    }

    /// Lends the bytes: valid during the call, for which the storage is kept alive. Handing the pointer out any other
    /// way would let the compiler release the storage after its last mention, in the middle of the reading.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(bytes)
    }
}
