import CKernels
import Tensors

/// Reading memory and doing nothing else: what bounds a product of one row with weights that are not in a
/// cache.
package final class StreamRead: Sendable {
    /// How a thread walks through its share.
    package enum Pattern: String, Sendable, CaseIterable {
        /// From front to back.
        case one = "1 stream"
        /// Four quarters side by side.
        case four = "4 streams"
    }

    private static let word: UInt64 = 0x9E37_79B9_7F4A_7C15
    private let memory: AlignedMemory<UInt64>
    package let byteCount: Int

    /// - Parameter byteCount: several times the last-level cache, so that nothing of one pass is left for the
    ///   next.
    package init(byteCount: Int = 4 * LastLevelCache.byteCount) {
        let words = max(64, byteCount / 8)
        memory = AlignedMemory(count: words, filledWith: Self.word)
        self.byteCount = words * 8
    }

    /// Seconds of reading everything once, each thread its share.
    package func seconds(_ pattern: Pattern = .one, context: ExecutionContext) -> Double {
        let clock = ContinuousClock()
        return clock.measure { read(pattern, context: context) }.inSeconds
    }

    private func read(_ pattern: Pattern, context: ExecutionContext) {
        let memory = memory
        context.team { worker in
            let words = worker.share(of: memory.count, grain: 512)
            let mixture =
                pattern == .one
                ? tessera_stream_read(memory.base + words.lowerBound, words.count * 8)
                : tessera_stream_read4(memory.base + words.lowerBound, words.count * 8)
            // Equal words cancel in pairs; that the result is looked at keeps the call from being left out.
            precondition(mixture == (words.count % 2 == 0 ? 0 : Self.word))
        }
    }

    /// Bytes a second: the median of some passes.
    package func bandwidth(_ pattern: Pattern = .one, passes: Int = 7, context: ExecutionContext) -> Double {
        let timing = InterleavedTiming(contestants: 1, rounds: .exactly(passes)) { _ in
            seconds(pattern, context: context)
        }
        return Double(byteCount) / timing.time(0).median
    }
}
