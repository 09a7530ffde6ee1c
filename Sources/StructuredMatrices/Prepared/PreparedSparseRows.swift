import CKernels
import Tensors

extension CompressedSparseRows {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct { PreparedSparseRows(self) }
}

/// Compressed rows in slices of 16 that advance together, each as long as its longest row.
struct PreparedSparseRows: PreparedSlices {
    let shape: MatrixShape
    private let lengths: TensorStorage
    private let starts: TensorStorage
    private let slots: PreparedSlots

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
        var (slotColumns, slotValues) = ([UInt32](repeating: 0, count: count), [Float](repeating: 0, count: count))
        for row in 0..<matrix.shape.rows {
            var slot = sliceStarts[row / width] * width + row % width
            for entry in offsets[row]..<offsets[row + 1] {
                slotColumns[slot] = matrix.columns[entry]
                slotValues[slot] = matrix.values.values[entry]
                slot += width
            }
        }
        slots = PreparedSlots(
            columns: slotColumns, values: slotValues, width: matrix.shape.columns, matrix.values.precision)
    }

    var arrays: [TensorStorage] { [lengths, starts] + slots.arrays }

    static func product(
        _ slices: UnsafePointer<tessera_slices>, _ input: MatrixView, _ output: MutableMatrixView, _ range: Range<Int>
    ) {
        PreparedTiles.kernels.sliceProduct(
            slices, input.base, input.rowStride, output.base, output.rowStride, input.rows, range.lowerBound,
            range.upperBound)
    }

    static func tileProduct(
        _ slices: UnsafePointer<tessera_slices>, _ tile: UnsafePointer<Float>, batch: Int, _ output: MutableMatrixView,
        _ range: Range<Int>
    ) {
        PreparedTiles.kernels.sliceTile(
            slices, tile, output.base, output.rowStride, batch, range.lowerBound, range.upperBound)
    }

    func withSlices(_ body: (UnsafePointer<tessera_slices>) -> Void) {
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
