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
    /// From this batch on a vector of 16 rows of X is full enough to beat one row of X at a time.
    private static let tileBatch = 16

    let shape: MatrixShape
    private let group: Int
    private let steps: Int
    private let slots: PreparedSlots

    init(_ matrix: GroupSparse) {
        let (width, steps) = (SliceLayout.rows, matrix.kept)
        let group = min(matrix.tile, width)
        let slices = SliceLayout.count(rows: matrix.shape.rows)
        shape = matrix.shape
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
        slots = PreparedSlots(
            columns: slotColumns, values: slotValues, width: matrix.shape.columns, matrix.values.precision)
    }

    var byteCount: Int { slots.byteCount }
    func scratchFloats(batch: Int) -> Int {
        PreparedTiles.scratchFloats(batch: batch, columns: shape.columns, from: Self.tileBatch)
    }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let range = SliceLayout.share(rows: shape.rows, worker: worker)
        withSlices { slices in
            guard input.rows >= Self.tileBatch else {
                return PreparedTiles.kernels.groupProduct(
                    slices, input.base, input.rowStride, output.base, output.rowStride, input.rows, range.lowerBound,
                    range.upperBound)
            }
            PreparedTiles.forEach(input, output, scratch: scratch, worker: worker) { tile, batch, output in
                PreparedTiles.kernels.groupTile(
                    slices, tile, output.base, output.rowStride, batch, range.lowerBound, range.upperBound)
            }
        }
    }

    private func withSlices(_ body: (UnsafePointer<tessera_row_groups>) -> Void) {
        slots.withBytes { indices, values in
            var groups = tessera_row_groups(
                format: slots.format, wide: slots.isWide, group: group, steps: steps, rows: shape.rows,
                columns: shape.columns, indices: indices, values: values)
            body(&groups)
        }
    }
}
