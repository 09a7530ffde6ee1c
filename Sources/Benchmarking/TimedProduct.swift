import StructuredMatrices
import Tensors

/// Whether a product finds its weights in a cache.
package enum Temperature: String, Sendable, CaseIterable, Codable {
    /// The same weights again and again: as in a model that fits a cache.
    case hot
    /// Other weights every time, in turn, together several times the last-level cache: as in a large model.
    case cold

    /// How many copies of weights are multiplied in turn: all together four times the last-level cache,
    /// within `limit` bytes.
    package func copies(of byteCount: Int, limit: Int = 2 << 30) -> Int {
        guard self == .cold else { return 1 }
        let wanted = (4 * LastLevelCache.byteCount + byteCount - 1) / max(1, byteCount)
        return max(1, min(wanted, limit / max(1, byteCount)))
    }
}

/// A prepared product with inputs, outputs and scratch, ready to be timed.
///
/// All products of one turn run within one team, as in the forward pass of a model: what is timed is the
/// product and the barrier after it, not the start of the team.
package final class TimedProduct {
    package let batch: Int
    package let copies: [any PreparedProduct]
    private let input: AlignedMemory<Float>
    private let output: AlignedMemory<Float>
    private let scratch: AlignedMemory<Float>
    private var next = 0

    /// - Parameters:
    ///   - copies: the same matrix, laid out several times where it should be cold.
    ///   - input: batch x columns.
    package init(_ copies: [any PreparedProduct], input: Matrix) {
        precondition(!copies.isEmpty && copies[0].shape.columns == input.columns)
        self.copies = copies
        batch = input.rows
        self.input = AlignedMemory(input)
        output = AlignedMemory(count: input.rows * copies[0].shape.rows, filledWith: 0)
        scratch = AlignedMemory(count: copies[0].scratchFloats(batch: input.rows), filledWith: 0)
    }

    package var shape: MatrixShape { copies[0].shape }
    package var byteCount: Int { copies[0].byteCount }

    /// Seconds of one product, the mean of `repetitions` one after the other.
    package func seconds(repetitions: Int, context: ExecutionContext) -> Double {
        let time = ContinuousClock().measure { run(repetitions: repetitions, context: context) }
        return time.inSeconds / Double(repetitions)
    }

    /// How many products take about `seconds`, so that the clock's grain and the start of the team do not
    /// matter.
    package func repetitions(forSeconds seconds: Double, most: Int = 10_000, context: ExecutionContext) -> Int
    {
        _ = self.seconds(repetitions: 1, context: context)
        let once = self.seconds(repetitions: 2, context: context)
        return max(1, min(most, Int((seconds / max(once, 1e-9)).rounded(.up))))
    }

    private func run(repetitions: Int, context: ExecutionContext) {
        let first = next
        let x = MatrixView(base: input.base, rows: batch, columns: shape.columns)
        let y = MutableMatrixView(base: output.base, rows: batch, columns: shape.rows)
        let (copies, scratch) = (copies, scratch)
        context.team { worker in
            for turn in first..<first + repetitions {
                copies[turn % copies.count].apply(x, into: y, scratch: scratch.base, worker: worker)
                worker.barrier()
            }
        }
        next = (first + repetitions) % copies.count
    }

    /// The outputs of one product, batch x rows.
    package func result(context: ExecutionContext) -> Matrix {
        run(repetitions: 1, context: context)
        let elements = Array(UnsafeBufferPointer(start: output.base, count: output.count))
        return Matrix(rows: batch, columns: shape.rows, elements: elements)
    }
}
