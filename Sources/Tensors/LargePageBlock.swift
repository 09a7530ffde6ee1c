import Foundation
import Synchronization

/// Memory of large pages that is handed out piece by piece, for what is smaller than such a page or a few of them: a model of
/// many small matrices reads all of them for every token, and with pages of four kilobytes looking up addresses takes a
/// twentieth of the time. A piece keeps its block; the memory is freed with the last of them.
final class LargePageBlock: @unchecked Sendable {
    /// Pieces of fewer bytes, and of more, are better off by themselves.
    static let pieces = 64 << 10..<4 << 20
    private static let byteCount = 16 << 20

    private struct Latest: ~Copyable {
        weak var block: LargePageBlock?
    }
    private static let latest = Mutex(Latest())

    private let base = UnsafeMutableRawPointer.allocateAligned(byteCount: byteCount)
    /// Read and written with `latest` locked.
    private var used = 0

    deinit { base.deallocate() }

    /// Memory of so many bytes, 64-byte aligned, that is there as long as the block is held.
    /// - Precondition: `pieces` contains `byteCount`.
    static func take(_ byteCount: Int) -> (block: LargePageBlock, memory: UnsafeMutableRawPointer) {
        latest.withLock { latest in
            let block: LargePageBlock
            if let open = latest.block, open.used + byteCount <= Self.byteCount {
                block = open
            } else {
                block = LargePageBlock()
                latest.block = block
            }
            let memory = block.base + block.used
            block.used += (byteCount + 63) / 64 * 64
            return (block, memory)
        }
    }
}
