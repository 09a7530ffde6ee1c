import LinearAlgebra
import Tensors

/// The dense product of the linear algebra library, ready to be timed.
final class LibraryProduct {
    enum Threading {
        case oneThread
        /// Rows of W shared out among our own threads, one library call on each.
        case ourTeam
        case itsOwn(Int)
    }

    private let threading: Threading
    private let copies: [AlignedMemory<Float>]
    private let rows: Int
    private let input: AlignedMemory<Float>
    private let output: AlignedMemory<Float>
    private let batch: Int
    private let columns: Int
    private var next = 0

    /// - Parameter copies: W, rows x columns, as often as it takes to be cold.
    init(_ copies: [AlignedMemory<Float>], rows: Int, input: Matrix, threading: Threading) {
        (self.copies, self.threading) = (copies, threading)
        (self.rows, columns, batch) = (rows, input.columns, input.rows)
        self.input = AlignedMemory(input)
        output = AlignedMemory(count: batch * rows, filledWith: 0)
    }

    var name: String {
        switch threading {
        case .oneThread: "library, 1 thread"
        case .ourTeam: "library, rows shared among our threads"
        case .itsOwn(let count): "library, \(count) threads of its own"
        }
    }

    func repetitions(forSeconds seconds: Double, context: ExecutionContext) -> Int {
        _ = self.seconds(repetitions: 1, context: context)
        let once = self.seconds(repetitions: 1, context: context)
        return max(1, min(10_000, Int((seconds / max(once, 1e-9)).rounded(.up))))
    }

    /// Seconds of one product, the mean of `repetitions` one after the other.
    func seconds(repetitions: Int, context: ExecutionContext) -> Double {
        let turns = next..<next + repetitions
        next = turns.upperBound % copies.count
        let clock = ContinuousClock()
        switch threading {
        case .oneThread:
            return clock.measure { for turn in turns { product(turn, rows: 0..<rows) } }.inSeconds
                / Double(repetitions)
        case .itsOwn(let count):
            // Outside the clock: granting threads may start them.
            return LinearAlgebraLibrary.withThreads(count) {
                clock.measure { for turn in turns { product(turn, rows: 0..<rows) } }.inSeconds
                    / Double(repetitions)
            }
        case .ourTeam:
            nonisolated(unsafe) let product = { (turn: Int, rows: Range<Int>) in
                self.product(turn, rows: rows)
            }
            let rows = rows
            return clock.measure {
                context.team { worker in
                    for turn in turns {
                        product(turn, worker.share(of: rows, grain: 16))
                        worker.barrier()
                    }
                }
            }.inSeconds / Double(repetitions)
        }
    }

    private func product(_ turn: Int, rows range: Range<Int>) {
        let x = MatrixView(base: input.base, rows: batch, columns: columns)
        let w = MatrixView(base: copies[turn % copies.count].base, rows: rows, columns: columns)
        let y = MutableMatrixView(base: output.base, rows: batch, columns: rows)
        LinearAlgebraLibrary.product(x, w.rows(range), into: y.block(rows: 0..<batch, columns: range))
    }
}
