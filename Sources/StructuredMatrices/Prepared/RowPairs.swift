import CKernels
import Tensors

/// The rows of a sparse matrix packed for tiles of X: two rows share what they read of X where they keep the same columns.
struct RowPairs: Sendable {
    /// The fewest rows of X that are multiplied in pairs.
    let smallestBatch: Int
    private let shape: MatrixShape
    private let format: tessera_panel_format
    /// Of every block, and the end.
    private let starts: TensorStorage
    private let blocks: TensorStorage

    /// - Parameters:
    ///   - smallestBatch: the fewest rows of X that pairs are faster with than another form of the matrix.
    ///   - offsets: rows + 1 numbers: entries offsets[r] ..< offsets[r + 1] are row r's.
    ///   - columns: of every entry, ascending within a row.
    ///   - values: of every entry, rounded to `precision`.
    init(
        _ shape: MatrixShape, from smallestBatch: Int, offsets: [Int], columns: [UInt32], values: [Float],
        precision: Precision
    ) {
        let (height, width) = (Int(TESSERA_PANEL_ROWS), Int(TESSERA_PAIR_COLUMNS))
        let format = precision.panelFormat
        let perPanel = (shape.columns + width - 1) / width
        var (starts, bytes) = ([Int](), [UInt8]())
        for top in stride(from: 0, to: shape.rows, by: height) {
            let rows = min(height, shape.rows - top)
            let most = tessera_pairs_most(format, shape.columns, offsets[top + rows] - offsets[top])
            var panelStarts = [Int](repeating: 0, count: perPanel + 1)
            let panel = [UInt8](unsafeUninitializedCapacity: most) { target, used in
                offsets.withUnsafeBufferPointer { offsets in
                    guard let target = target.baseAddress, let offsets = offsets.baseAddress else { return }
                    used = tessera_pairs_pack(
                        format, rows, shape.columns, offsets + top, columns, values, target, &panelStarts)
                }
            }
            starts += panelStarts.dropLast().map { $0 + bytes.count }
            bytes += panel
        }
        starts.append(bytes.count)
        self.shape = shape
        self.smallestBatch = smallestBatch
        self.format = format
        self.starts = TensorStorage(byteCount: starts.count * MemoryLayout<Int>.size) {
            starts.withUnsafeBytes($0.copyMemory)
        }
        // Never empty, so that it has an address.
        blocks = TensorStorage(byteCount: max(bytes.count, 64), isReadOften: true) { bytes.withUnsafeBytes($0.copyMemory) }
    }

    /// Floats of scratch; none for batches that are multiplied otherwise.
    func scratchFloats(batch: Int) -> Int {
        PreparedTiles.scratchFloats(batch: batch, columns: shape.columns, from: smallestBatch)
    }

    /// Y = X W^T for the tiles of X, panels of rows shared among the team.
    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let height = Int(TESSERA_PANEL_ROWS)
        let panels = worker.share(of: (shape.rows + height - 1) / height, grain: 1)
        starts.withBytes { starts in
            blocks.withBytes { blocks in
                guard let starts = starts.baseAddress, let blocks = blocks.baseAddress else { return }
                var pairs = tessera_row_pairs(
                    format: format, rows: shape.rows, columns: shape.columns,
                    starts: starts.assumingMemoryBound(to: Int.self), blocks: blocks)
                PreparedTiles.forEach(input, output, scratch: scratch, worker: worker) { tile, batch, output in
                    PreparedTiles.kernels.pairTile(
                        &pairs, tile, output.base, output.rowStride, batch, panels.lowerBound, panels.upperBound)
                }
            }
        }
    }
}
