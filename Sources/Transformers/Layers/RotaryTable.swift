import Tensors

/// The cosines and sines of a batch's tokens, each at its own position.
struct RotaryTable: Sendable {
    private let positions: [Int]
    private let first: Int
    private let cosines: Matrix
    private let sines: Matrix
    private let headDimension: Int

    /// - Parameter starts: the position of each sequence's first token of the batch.
    init(_ batch: SequenceBatch, starts: [Int], _ rotary: RotaryEmbedding) {
        positions = zip(batch.spans, starts).flatMap { span, start in start..<start + span.count }
        first = positions.min() ?? 0
        (cosines, sines) = rotary.table(first..<(positions.max() ?? -1) + 1)
        headDimension = 2 * rotary.frequencies.count
    }

    /// Turns `heads` heads of a token of the batch, in place.
    func apply(_ x: UnsafeMutablePointer<Float>, token: Int, heads: Int) {
        let row = positions[token] - first
        cosines.withView { cosines in
            sines.withView { sines in
                Kernels.best.rotate(x, cosines.row(row), sines.row(row), heads, headDimension)
            }
        }
    }
}
