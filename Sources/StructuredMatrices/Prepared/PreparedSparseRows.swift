import CKernels
import Tensors

extension CompressedSparseRows {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct { PreparedSparseRows(self) }
}

/// Compressed rows in slices of 16 that advance together, each as long as its longest row, and in pairs of rows for batches.
struct PreparedSparseRows: PreparedProduct {
    let shape: MatrixShape
    private let lengths: TensorStorage
    private let starts: TensorStorage
    private let slots: PreparedSlots
    private let pairs: RowPairs

    init(_ matrix: CompressedSparseRows) {
        let (width, offsets) = (SliceLayout.rows, matrix.offsets)
        let slices = SliceLayout.count(rows: matrix.shape.rows)
        let rowLengths = (0..<slices * width).map { row in
            row < matrix.shape.rows ? UInt32(offsets[row + 1] - offsets[row]) : 0
        }
        var sliceStarts = [0]
        for slice in 0..<slices {
            let longest = rowLengths[slice * width..<(slice + 1) * width].max() ?? 0
            sliceStarts.append(sliceStarts[slice] + Int(longest))
        }
        shape = matrix.shape
        lengths = TensorStorage(byteCount: rowLengths.count * 4) { rowLengths.withUnsafeBytes($0.copyMemory) }
        starts = TensorStorage(byteCount: sliceStarts.count * MemoryLayout<Int>.size) {
            sliceStarts.withUnsafeBytes($0.copyMemory)
        }
        let count = sliceStarts[slices] * width
        let values = matrix.values.values(0..<matrix.columns.count)
        var (slotColumns, slotValues) = ([UInt32](repeating: 0, count: count), [Float](repeating: 0, count: count))
        for row in 0..<matrix.shape.rows {
            var slot = sliceStarts[row / width] * width + row % width
            for entry in offsets[row]..<offsets[row + 1] {
                slotColumns[slot] = matrix.columns[entry]
                slotValues[slot] = values[entry]
                slot += width
            }
        }
        slots = PreparedSlots(
            columns: slotColumns, values: slotValues, width: matrix.shape.columns, matrix.values.precision)
        // One vector of 16 rows of X, though nearly empty, beats gathering for each row.
        pairs = RowPairs(
            matrix.shape, from: 2, offsets: offsets, columns: matrix.columns, values: values,
            precision: matrix.values.precision)
    }

    var byteCount: Int { lengths.byteCount + starts.byteCount + slots.byteCount }
    func scratchFloats(batch: Int) -> Int { pairs.scratchFloats(batch: batch) }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        guard input.rows < pairs.smallestBatch else {
            return pairs.apply(input, into: output, scratch: scratch, worker: worker)
        }
        let range = SliceLayout.share(rows: shape.rows, worker: worker)
        withSlices { slices in
            PreparedTiles.kernels.sliceProduct(
                slices, input.base, input.rowStride, output.base, output.rowStride, input.rows, range.lowerBound,
                range.upperBound)
        }
    }

    private func withSlices(_ body: (UnsafePointer<tessera_slices>) -> Void) {
        lengths.withBytes { lengths in
            starts.withBytes { starts in
                slots.withBytes { indices, values in
                    guard let lengths = lengths.baseAddress, let starts = starts.baseAddress else { return }
                    var slices = tessera_slices(
                        format: slots.format, wide: slots.isWide, rows: shape.rows, columns: shape.columns,
                        lengths: lengths.assumingMemoryBound(to: UInt32.self),
                        starts: starts.assumingMemoryBound(to: Int.self), indices: indices, values: values)
                    body(&slices)
                }
            }
        }
    }
}
