import CKernels
import Tensors

extension CompressedSparseRows {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct { PreparedSparseRows(self) }
}

/// Compressed rows in slices of 16 that advance together, each as long as its longest row.
struct PreparedSparseRows: PreparedSlices {
    let shape: MatrixShape
    private let format: tessera_panel_format
    private let isWide: Bool
    private let lengths: TensorStorage
    private let starts: TensorStorage
    private let indices: TensorStorage
    private let values: TensorStorage

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
        format = matrix.values.precision.panelFormat
        let isWide = CompressedSparseRows.columnType(matrix.shape.columns) == .u32
        self.isWide = isWide
        lengths = TensorStorage(byteCount: rowLengths.count * 4) { rowLengths.withUnsafeBytes($0.copyMemory) }
        starts = TensorStorage(byteCount: sliceStarts.count * MemoryLayout<Int>.size) {
            sliceStarts.withUnsafeBytes($0.copyMemory)
        }
        let slots = sliceStarts[slices] * width
        var (slotColumns, slotValues) = ([UInt32](repeating: 0, count: slots), [Float](repeating: 0, count: slots))
        for row in 0..<matrix.shape.rows {
            var slot = sliceStarts[row / width] * width + row % width
            for entry in offsets[row]..<offsets[row + 1] {
                slotColumns[slot] = matrix.columns[entry]
                slotValues[slot] = matrix.values.values[entry]
                slot += width
            }
        }
        indices = PreparedSlots.columns(slotColumns, isWide: isWide)
        values = PreparedSlots.values(slotValues, matrix.values.precision)
    }

    var arrays: [TensorStorage] { [lengths, starts, indices, values] }

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
                indices.withBytes { indices in
                    values.withBytes { values in
                        guard let lengths = lengths.baseAddress, let starts = starts.baseAddress,
                            let indices = indices.baseAddress, let values = values.baseAddress
                        else { return }
                        var slices = tessera_slices(
                            format: format, wide: isWide, rows: shape.rows, columns: shape.columns,
                            lengths: lengths.assumingMemoryBound(to: UInt32.self),
                            starts: starts.assumingMemoryBound(to: Int.self), indices: indices, values: values)
                        body(&slices)
                    }
                }
            }
        }
    }
}
