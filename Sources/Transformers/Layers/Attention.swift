import Tensors

/// Scaled dot-product attention (Vaswani et al. 2017, equation 1) with shared key-value heads
/// (Ainslie et al. 2023): query head h reads key-value head h / (heads / keyValueHeads).
///
/// The scores of all keys are never held at once: keys pass in blocks, with a running maximum and sum for each query
/// (Milakov, Gimelshein 2018; Dao et al. 2022). Blocks begin at fixed keys, so the bits of a token's result depend neither
/// on how its sequence was cut into runs nor on the team.
struct Attention: Sendable {
    let heads: Int
    let keyValueHeads: Int
    /// Features of one head of queries, by which scores are scaled and as far apart as heads of queries are, and of keys that
    /// are not cached.
    let queryKeyWidth: Int
    /// What is kept of each head's keys, of as many numbers of the queries too, and the features of values.
    let keys: HeadLayout
    let values: HeadLayout
    /// Whether a token sees only itself and those before it.
    let causal: Bool
    /// Of those before it, a token sees this many - 1 (Beltagy, Peters, Cohan 2020); nil for all. Only where causal.
    let window: Int?

    /// One sequence: its queries (n x heads * queryKeyWidth), the keys and values of m tokens, and where the result goes
    /// (n x heads * valueWidth). The queries are the last n of the m tokens. Keys lie as `Attention.keys` says where they are
    /// cached, else `queryKeyWidth` apart.
    struct Sequence {
        let queries: MatrixView
        let tokens: Int
        let keys: TokenFeatures
        let values: TokenFeatures
        let areCached: Bool
        let output: MutableMatrixView
    }

    /// Query rows that are scored together, and keys of a block.
    private static let queryBlock = 32
    private static let keyBlock = 128

    /// Floats of scratch for one member: scores, a decoded block of keys or values, maxima and sums.
    var scratchFloats: Int {
        let queries = max(Self.queryBlock, heads / keyValueHeads)
        return ActivationArena.aligned(
            queries * (Self.keyBlock + 2) + Self.keyBlock * max(queryKeyWidth, values.largest))
    }

    /// A member's share of the attention within each of `count` sequences; complete after the next barrier.
    /// `scratch` holds `scratchFloats` for each member. Trusts shapes.
    /// Cost per sequence: n m multiply-adds for each number of each query head's key and value; with a window, its width for
    /// m.
    func apply(
        count: Int, scratch: UnsafeMutablePointer<Float>, worker: Worker, sequence: (_ index: Int) -> Sequence
    ) {
        let scratch = scratch + worker.index * scratchFloats
        var total = 0
        for index in 0..<count { forEachPiece(of: sequence(index)) { total += cost($0) } }
        // Pieces differ in size: a member takes those that begin within its part of the total cost.
        let share = worker.share(of: total)
        var before = 0
        for index in 0..<count where before < share.upperBound {
            let sequence = sequence(index)
            forEachPiece(of: sequence) { piece in
                if share.contains(before) { attend(sequence, piece, scratch) }
                before += cost(piece)
            }
        }
    }

    /// The attention of a sequence's one new token within some key-value heads, by the calling member alone.
    func apply(
        keyValueHeads: Range<Int>, scratch: UnsafeMutablePointer<Float>, worker: Worker, _ sequence: Sequence
    ) {
        let scratch = scratch + worker.index * scratchFloats
        forEachPiece(of: sequence) { piece in
            if keyValueHeads.contains(piece.keyValueHead) { attend(sequence, piece, scratch) }
        }
    }

    /// Queries that are scored together against one key-value head.
    private struct Piece {
        let queries: MatrixView
        let output: MutableMatrixView
        let keyValueHead: Int
        /// Keys up to the last one that the first query sees, and how many more each following one does.
        let seen: Int
        let step: Int

        var visible: Int { seen + step * (queries.rows - 1) }
    }

    /// Keys before the first one that a query of the piece sees.
    private func hidden(_ piece: Piece, row: Int) -> Int {
        window.map { max(0, piece.seen + piece.step * row - $0) } ?? 0
    }

    private func cost(_ piece: Piece) -> Int { piece.queries.rows * (piece.visible - hidden(piece, row: 0)) }

    private func forEachPiece(of sequence: Sequence, _ body: (Piece) -> Void) {
        let group = heads / keyValueHeads
        let queries = sequence.queries
        if queries.rows == 1 {
            // One token: the query heads that share a key-value head are the rows of one small matrix.
            for head in 0..<keyValueHeads {
                let query = queries.base + head * group * queryKeyWidth
                let values = self.values[head]
                let output = sequence.output.base + group * values.lowerBound
                body(
                    Piece(
                        queries: MatrixView(
                            base: query, rows: group, columns: keys[head].count, rowStride: queryKeyWidth),
                        output: MutableMatrixView(base: output, rows: group, columns: values.count),
                        keyValueHead: head, seen: sequence.tokens, step: 0))
            }
            return
        }
        let past = sequence.tokens - queries.rows
        for head in 0..<heads {
            let features = head * queryKeyWidth..<head * queryKeyWidth + keys[head / group].count
            let own = self.values[head / group]
            let first = group * own.lowerBound + head % group * own.count
            let values = first..<first + own.count
            for first in stride(from: 0, to: queries.rows, by: Self.queryBlock) {
                let rows = first..<min(queries.rows, first + Self.queryBlock)
                body(
                    Piece(
                        queries: queries.block(rows: rows, columns: features),
                        output: sequence.output.block(rows: rows, columns: values),
                        keyValueHead: head / group, seen: causal ? past + first + 1 : sequence.tokens,
                        step: causal ? 1 : 0))
            }
        }
    }

    private func attend(_ sequence: Sequence, _ piece: Piece, _ scratch: UnsafeMutablePointer<Float>) {
        let kernels = Kernels.best
        let (queries, output) = (piece.queries, piece.output)
        let valueFeatures = self.values[piece.keyValueHead]
        let valueWidth = valueFeatures.count
        let keyFeatures =
            sequence.areCached
            ? keys[piece.keyValueHead]
            : piece.keyValueHead * queryKeyWidth..<piece.keyValueHead * queryKeyWidth + queries.columns
        let scale = 1 / Float(queryKeyWidth).squareRoot()
        let scores = scratch
        let largest = scores + queries.rows * Self.keyBlock
        let sums = largest + queries.rows
        let decoded = sums + queries.rows
        largest.update(repeating: -.infinity, count: queries.rows)
        sums.update(repeating: 0, count: queries.rows)

        let first = hidden(piece, row: 0) / Self.keyBlock * Self.keyBlock
        let mostHidden = hidden(piece, row: queries.rows - 1)
        for start in stride(from: first, to: piece.visible, by: Self.keyBlock) {
            let count = min(Self.keyBlock, piece.visible - start)
            let block = start..<start + count
            let keys = sequence.keys.lend(block, head: piece.keyValueHead, keyFeatures, into: decoded)
            kernels.product(
                queries.base, queries.rowStride, keys.base, keys.rowStride, scores, Self.keyBlock, queries.rows, count,
                queries.columns, false)
            if block.upperBound <= piece.seen || piece.step == 0, start >= mostHidden {
                kernels.softmaxPart(
                    scores, queries.rows, count, Self.keyBlock, scale, largest, sums, output.base, output.rowStride,
                    valueWidth)
            } else {
                // Each row is as long as what its token sees; the rest of the block weighs nothing.
                for row in 0..<queries.rows {
                    let own = min(count, max(0, piece.seen + piece.step * row - start))
                    let before = min(own, max(0, hidden(piece, row: row) - start))
                    let values = scores + row * Self.keyBlock
                    if own > before {
                        kernels.softmaxPart(
                            values + before, 1, own - before, Self.keyBlock, scale, largest + row, sums + row,
                            output.row(row), output.rowStride, valueWidth)
                    }
                    values.update(repeating: 0, count: before)
                    (values + own).update(repeating: 0, count: count - own)
                }
            }
            let values = sequence.values.lend(block, head: piece.keyValueHead, valueFeatures, into: decoded)
            kernels.productTransposed(
                scores, Self.keyBlock, values.base, values.rowStride, output.base, output.rowStride, queries.rows, count,
                valueWidth, start > first)
        }
        for row in 0..<queries.rows {
            let (share, result) = (1 / sums[row], output.row(row))
            for column in 0..<valueWidth { result[column] *= share }
        }
    }
}
