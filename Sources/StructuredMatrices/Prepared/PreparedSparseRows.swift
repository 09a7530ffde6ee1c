import CKernels
import Tensors

extension CompressedSparseRows {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct { PreparedSparseRows(self) }
}

/// Compressed rows in slices of 16 that advance together, each as long as its longest row.
struct PreparedSparseRows: PreparedProduct {
    let shape: MatrixShape
    private let format: tessera_panel_format
    private let isWide: Bool
    private let lengths: TensorStorage
    private let starts: TensorStorage
    private let indices: TensorStorage
    private let values: TensorStorage

    private static let sliceRows = 16
    /// Slices of a panel of 64 rows, which share a part of the tile while it is in the caches.
    private static let grain = 4

    init(_ matrix: CompressedSparseRows) {
        let (width, offsets) = (Self.sliceRows, matrix.offsets)
        let slices = (matrix.shape.rows + width - 1) / width
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

    var byteCount: Int { lengths.byteCount + starts.byteCount + indices.byteCount + values.byteCount }
    func scratchFloats(batch: Int) -> Int { PreparedTiles.scratchFloats(batch: batch, columns: shape.columns) }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let slices = worker.share(of: (shape.rows + Self.sliceRows - 1) / Self.sliceRows, grain: Self.grain)
        withSlices { w in
            guard PreparedTiles.suits(batch: input.rows) else {
                PreparedTiles.kernels.sliceProduct(
                    w, input.base, input.rowStride, output.base, output.rowStride, input.rows, slices.lowerBound,
                    slices.upperBound)
                return
            }
            PreparedTiles.forEach(input, output, scratch: scratch, worker: worker) { tile, batch, output in
                PreparedTiles.kernels.sliceTile(
                    w, tile, output.base, output.rowStride, batch, slices.lowerBound, slices.upperBound)
            }
        }
    }

    /// Lends the slices to the kernels.
    private func withSlices(_ body: (UnsafePointer<tessera_slices>) -> Void) {
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
