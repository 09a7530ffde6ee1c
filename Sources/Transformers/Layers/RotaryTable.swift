import Tensors

/// The cosines and sines of a batch's tokens, each at its own position.
struct RotaryTable: Sendable {
    private let positions: [Int]
    private let first: Int
    private let cosines: Matrix
    private let sines: Matrix
    /// Pairs of features of a head, and whether every key-value head turns its own way.
    private let pairs: Int
    private let isPerHead: Bool

    /// - Parameters:
    ///   - starts: the position of each sequence's first token of the batch.
    ///   - pairs: of a head's features; the frequencies are these, or those of one key-value head after the other.
    init(_ batch: SequenceBatch, starts: [Int], _ rotary: RotaryEmbedding, pairs: Int) {
        positions = zip(batch.spans, starts).flatMap { span, start in start..<start + span.count }
        first = positions.min() ?? 0
        (cosines, sines) = rotary.table(first..<(positions.max() ?? -1) + 1)
        self.pairs = pairs
        isPerHead = rotary.frequencies.count > pairs
    }

    /// Turns `heads` heads of a token of the batch, in place: those that belong to one key-value head.
    func apply(_ x: UnsafeMutablePointer<Float>, token: Int, heads: Int, keyValueHead: Int) {
        let row = positions[token] - first
        let offset = isPerHead ? keyValueHead * pairs : 0
        cosines.withView { cosines in
            sines.withView { sines in
                Kernels.best.rotate(x, cosines.row(row) + offset, sines.row(row) + offset, heads, 2 * pairs)
            }
        }
    }
}
