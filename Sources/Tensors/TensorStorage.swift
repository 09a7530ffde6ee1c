import Foundation

/// Bytes that one or more tensors share: memory owned here, or a file mapped read-only.
///
/// The bytes never change after initialisation, so sharing between threads is safe.
public final class TensorStorage: @unchecked Sendable {
    private let bytes: UnsafeRawBufferPointer
    private let release: @Sendable () -> Void

    /// Owned memory of `byteCount` bytes, 64-byte aligned, filled by `body`.
    public init(byteCount: Int, filledBy body: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        let used = UnsafeMutableRawBufferPointer(rebasing: memory[0..<byteCount])
        Self.adviseHugePages(used)
        do {
            try body(used)
        } catch {
            memory.deallocate()
            throw error
        }
        nonisolated(unsafe) let owned = memory
        bytes = UnsafeRawBufferPointer(used)
        release = { owned.deallocate() }
    }

    /// Asks for large pages where whole ones fit, since weights that are read once a token meet a new small page every
    /// few nanoseconds. Only a wish: nothing depends on what the system makes of it.
    private static func adviseHugePages(_ memory: UnsafeMutableRawBufferPointer) {
        #if os(Linux)
            let page = 2 << 20
            guard let base = memory.baseAddress, memory.count >= 2 * page else { return }
            let first = base.alignedUp(toMultipleOf: page)
            let last = (base + memory.count).alignedDown(toMultipleOf: page)
            if first < last { madvise(first, last - first, MADV_HUGEPAGE) }
        #endif
    }

    /// Maps a whole file read-only. Pages are read when touched; nothing is copied.
    /// - Throws: `TensorError.fileNotReadable`.
    public init(mapping path: String) throws {
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

    /// Lends the bytes: valid during the call, for which the storage is kept alive. Handing the pointer out any other
    /// way would let the compiler release the storage after its last mention, in the middle of the reading.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(bytes)
    }
}
