import CKernels
import Tensors

extension GroupSparse {
    /// Groups of 4, 8 or a multiple of 16 rows fill registers; others multiply as compressed rows do.
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        if tile == 4 || tile == 8 || tile % 16 == 0 { return PreparedGroups(self) }
        let kept = kept
        return PreparedSparseRows(
            CompressedSparseRows(
                shape: shape, offsets: (0...shape.rows).map { $0 * kept },
                columns: (0..<shape.rows).flatMap { columns[$0 / tile * kept..<($0 / tile + 1) * kept] }, values: values))
    }
}

/// Groups of rows in slices of 16 rows: for every step one column for each group and one value for each row.
struct PreparedGroups: PreparedProduct {
    let shape: MatrixShape
    private let format: tessera_panel_format
    private let isWide: Bool
    private let group: Int
    private let steps: Int
    private let indices: TensorStorage
    private let values: TensorStorage

    private static let sliceRows = 16
    /// Slices that are multiplied side by side at small batches.
    private static let grain = 4

    init(_ matrix: GroupSparse) {
        let (width, steps) = (Self.sliceRows, matrix.kept)
        let group = min(matrix.tile, width)
        let slices = (matrix.shape.rows + width - 1) / width
        let isWide = CompressedSparseRows.columnType(matrix.shape.columns) == .u32
        shape = matrix.shape
        format = matrix.values.precision.panelFormat
        self.isWide = isWide
        self.group = group
        self.steps = steps
        var slotColumns = [UInt32](), slotValues = [Float](repeating: 0, count: slices * steps * width)
        slotColumns.reserveCapacity(slices * steps * width / group)
        for slice in 0..<slices {
            for step in 0..<steps {
                for first in stride(from: slice * width, to: (slice + 1) * width, by: group) {
                    slotColumns.append(
                        first < matrix.shape.rows ? matrix.columns[first / matrix.tile * steps + step] : 0)
                }
            }
        }
        matrix.values.withView { source in
            for row in 0..<matrix.shape.rows {
                for step in 0..<steps {
                    slotValues[(row / width * steps + step) * width + row % width] = source.row(row)[step]
                }
            }
        }
        indices = PreparedSlots.columns(slotColumns, isWide: isWide)
        values = PreparedSlots.values(slotValues, matrix.values.precision)
    }

    var byteCount: Int { indices.byteCount + values.byteCount }
    func scratchFloats(batch: Int) -> Int { PreparedTiles.scratchFloats(batch: batch, columns: shape.columns) }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let slices = worker.share(of: (shape.rows + Self.sliceRows - 1) / Self.sliceRows, grain: Self.grain)
        withGroups { w in
            guard PreparedTiles.suits(batch: input.rows) else {
                PreparedTiles.kernels.groupProduct(
                    w, input.base, input.rowStride, output.base, output.rowStride, input.rows, slices.lowerBound,
                    slices.upperBound)
                return
            }
            PreparedTiles.forEach(input, output, scratch: scratch, worker: worker) { tile, batch, output in
                PreparedTiles.kernels.groupTile(
                    w, tile, output.base, output.rowStride, batch, slices.lowerBound, slices.upperBound)
            }
        }
    }

    /// Lends the groups to the kernels.
    private func withGroups(_ body: (UnsafePointer<tessera_row_groups>) -> Void) {
        indices.withBytes { indices in
            values.withBytes { values in
                guard let indices = indices.baseAddress, let values = values.baseAddress else { return }
                var groups = tessera_row_groups(
                    format: format, wide: isWide, group: group, steps: steps, rows: shape.rows, columns: shape.columns,
                    indices: indices, values: values)
                body(&groups)
            }
        }
    }
}
