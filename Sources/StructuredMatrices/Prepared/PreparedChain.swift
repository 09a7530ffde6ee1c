import Tensors

/// A product in stages, each from the features of the one before to its own: every family whose factors are block
/// products, diagonals and permutations between them.
///
/// Small weights are kept in cache and the batch is shared among the team, each member running all stages on its own
/// rows; large weights are shared among the team, with a barrier between stages.
struct PreparedChain: PreparedProduct {
    let shape: MatrixShape
    let stages: [PreparedStage]

    /// - Precondition: at least one stage, each fitting the next.
    init(shape: MatrixShape, stages: [PreparedStage]) {
        precondition(!stages.isEmpty)
        self.shape = shape
        self.stages = stages
    }

    init(_ matrix: PackedMatrix, shape: MatrixShape) { self.init(shape: shape, stages: [.product(matrix)]) }

    var byteCount: Int { stages.reduce(0) { $0 + $1.byteCount } }

    /// The widest intermediate results, two of which are alive at a time.
    private var hidden: Int { stages.dropLast().map(\.outputs).max() ?? 0 }

    func scratchFloats(batch: Int) -> Int { (stages.count > 2 ? 2 : 1) * hidden * batch }

    /// Weights that stay in a core's own cache while many rows pass by.
    private static let cachedBytes = 1 << 20
    /// Rows between two stages: their intermediate results stay near, and weights from further away are read seldom.
    private static let tile = 64
    private static let sharedTile = 256

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let batch = input.rows
        if stages.count == 1 {
            stages[0].apply(input, into: output, worker: worker)
        } else if worker.count == 1 || (byteCount <= Self.cachedBytes && batch >= 16 * worker.count) {
            let share = worker.share(of: batch)
            run(share, input, output, scratch + scratchFloats(batch: share.lowerBound), tile: Self.tile, .alone)
        } else {
            run(0..<batch, input, output, scratch, tile: Self.sharedTile, worker)
        }
    }

    private func run(
        _ rows: Range<Int>, _ input: MatrixView, _ output: MutableMatrixView, _ scratch: UnsafeMutablePointer<Float>,
        tile: Int, _ worker: Worker
    ) {
        var first = rows.lowerBound
        while first < rows.upperBound {
            let part = first..<min(rows.upperBound, first + tile)
            var source = input.rows(part)
            for (index, stage) in stages.enumerated() {
                let last = index == stages.count - 1
                let target =
                    last
                    ? output.rows(part)
                    : MutableMatrixView(
                        base: scratch + index % 2 * hidden * part.count, rows: part.count, columns: stage.outputs)
                stage.apply(source, into: target, worker: worker)
                source = target.readable
                // After the last stage too: the next tile writes where this one's stages read.
                if !last || part.upperBound < rows.upperBound { worker.barrier() }
            }
            first = part.upperBound
        }
    }
}
