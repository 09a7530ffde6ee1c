import Tensors

/// Scaled dot-product attention (Vaswani et al. 2017, equation 1) with shared key-value heads
/// (Ainslie et al. 2023): query head h reads key-value head h / (heads / keyValueHeads).
struct Attention: Sendable {
    let heads: Int
    let keyValueHeads: Int
    let headDimension: Int
    /// Whether a token sees only itself and those before it.
    let causal: Bool

    /// One sequence: its queries (n x heads * headDimension), keys and values (m x keyValueHeads * headDimension)
    /// and where the result goes (n x heads * headDimension). The queries are the last n of the m tokens.
    struct Sequence {
        let queries: MatrixView
        let keys: MatrixView
        let values: MatrixView
        let output: MutableMatrixView
    }

    /// Query rows that are scored together.
    private static let queryBlock = 32

    /// Attends within each sequence; one piece of work per sequence and head. Trusts shapes.
    /// Cost per sequence: 2 n m heads headDimension multiply-adds.
    func apply(_ sequences: [Sequence], context: ExecutionContext) {
        context.parallelFor(sequences.count * heads) { index in
            attend(sequences[index / heads], head: index % heads)
        }
    }

    private func attend(_ sequence: Sequence, head: Int) {
        let features = head * headDimension..<(head + 1) * headDimension
        let shared = head / (heads / keyValueHeads) * headDimension
        let queries = sequence.queries.columns(features)
        let output = sequence.output.columns(features)
        let keys = sequence.keys.columns(shared..<shared + headDimension)
        let values = sequence.values.columns(shared..<shared + headDimension)
        let past = keys.rows - queries.rows
        let scale = 1 / Float(headDimension).squareRoot()
        let kernels = Kernels.best

        withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, Self.queryBlock * keys.rows)) {
            buffer in
            guard let scores = buffer.baseAddress else { return }
            var first = 0
            while first < queries.rows {
                let block = min(Self.queryBlock, queries.rows - first)
                let visible = causal ? past + first + block : keys.rows
                kernels.product(
                    queries.row(first), queries.rowStride, keys.base, keys.rowStride, scores, visible,
                    block, visible, headDimension, false)
                if causal {
                    // Each row is as long as what its token sees; the rest of the block weighs nothing.
                    for row in 0..<block {
                        let seen = past + first + row + 1
                        kernels.softmax(scores + row * visible, 1, seen, visible, scale)
                        (scores + row * visible + seen).update(repeating: 0, count: visible - seen)
                    }
                } else {
                    kernels.softmax(scores, block, visible, visible, scale)
                }
                kernels.productTransposed(
                    scores, visible, values.base, values.rowStride, output.row(first), output.rowStride,
                    block, visible, headDimension, false)
                first += block
            }
        }
    }
}
