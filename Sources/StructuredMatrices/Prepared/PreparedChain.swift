import Tensors

/// A sum of products in stages, each from the features of the one before to its own: every family whose factors are
/// block products, diagonals and permutations between them.
///
/// Of a large batch each member takes its own rows through all stages; a small one, and weights that the shared cache does
/// not hold, are shared stage by stage, with a barrier between.
struct PreparedChain: PreparedProduct {
    let shape: MatrixShape
    /// The terms of the sum, each a list of stages; the last stage of every term but the first adds to the output.
    let terms: [[PreparedStage]]
    let byteCount: Int
    /// The widest intermediate result, two of which are alive at a time where there are more than two stages.
    private let hidden: Int
    private let live: Int
    private let tile: Int

    /// - Precondition: at least one term of at least one stage, each stage fitting the next; with several terms the last
    ///   stages are products.
    init(shape: MatrixShape, terms: [[PreparedStage]]) {
        precondition(!terms.isEmpty && terms.allSatisfy { !$0.isEmpty })
        self.shape = shape
        self.terms = terms
        byteCount = terms.reduce(0) { $0 + $1.reduce(0) { $0 + $1.byteCount } }
        hidden = terms.map { $0.dropLast().map(\.outputs).max() ?? 0 }.max() ?? 0
        let longest = terms.map(\.count).max() ?? 1
        live = longest > 2 ? 2 : 1
        // Intermediate results stay in a core's own cache; weights from further away are read as seldom as that allows.
        let rows = Self.cachedFloats / max(1, live * hidden)
        tile = min(Self.largestTile, max(Self.smallestTile, rows / Self.tileStep * Self.tileStep))
    }

    init(shape: MatrixShape, stages: [PreparedStage]) { self.init(shape: shape, terms: [stages]) }

    init(_ matrix: PackedMatrix, shape: MatrixShape) { self.init(shape: shape, stages: [.product(matrix)]) }

    func rowsPerMember(batch: Int, members: Int) -> Int? {
        guard terms.count == 1, terms[0].count == 1 else { return nil }
        return terms[0][0].rowsPerMember(batch: batch, members: members)
    }

    func scratchFloats(batch: Int) -> Int { live * hidden * batch }

    /// Weights that members may read each for themselves, from the cache that they share.
    private static let sharedBytes = 16 << 20
    /// Intermediate results that do.
    private static let cachedFloats = 3 << 16
    /// Rows that pay for reading the weights again, and for widening those of 16 bits: below, intermediate results are
    /// better left to the next cache.
    private static let smallestTile = 48
    private static let largestTile = 240
    private static let tileStep = 24

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let batch = input.rows
        if terms.count == 1, terms[0].count == 1 {
            terms[0][0].apply(input, into: output, worker: worker)
        } else if worker.count == 1 || (byteCount <= Self.sharedBytes && batch >= 16 * worker.count) {
            let share = worker.share(of: batch)
            run(share, input, output, scratch + scratchFloats(batch: share.lowerBound), .alone)
        } else {
            run(0..<batch, input, output, scratch, worker)
        }
    }

    private func run(
        _ rows: Range<Int>, _ input: MatrixView, _ output: MutableMatrixView, _ scratch: UnsafeMutablePointer<Float>,
        _ worker: Worker
    ) {
        guard !rows.isEmpty else { return }
        // Tiles of even height, in multiples of what the kernels multiply at once.
        let tiles = (rows.count + tile - 1) / tile
        let height = ((rows.count + tiles - 1) / tiles + 11) / 12 * 12
        var first = rows.lowerBound
        while first < rows.upperBound {
            let part = first..<min(rows.upperBound, first + height)
            for (number, stages) in terms.enumerated() {
                var source = input.rows(part)
                for (index, stage) in stages.enumerated() {
                    let last = index == stages.count - 1
                    let target =
                        last
                        ? output.rows(part)
                        : MutableMatrixView(
                            base: scratch + index % 2 * hidden * part.count, rows: part.count, columns: stage.outputs)
                    stage.apply(source, into: target, accumulating: last && number > 0, worker: worker)
                    source = target.readable
                    // After a last stage too: the next term or tile writes where this one's stages read.
                    if !last || number < terms.count - 1 || part.upperBound < rows.upperBound { worker.barrier() }
                }
            }
            first = part.upperBound
        }
    }
}
