import CKernels
import Tensors

extension NMSparse {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct { PreparedNMSparse(self) }
}

/// An N:M matrix in panels of 64 rows, values and places in one stream, and in pairs of rows for batches.
struct PreparedNMSparse: PreparedProduct {
    let shape: MatrixShape
    private let layout: tessera_nm_shape
    private let storage: TensorStorage
    private let pairs: RowPairs

    init(_ matrix: NMSparse) {
        let layout = tessera_nm_shape(
            format: matrix.values.precision.panelFormat, kept: matrix.kept, group: matrix.group,
            rows: matrix.shape.rows, columns: matrix.shape.columns)
        let rowBytes = NMSparse.rowBytes(columns: matrix.shape.columns, kept: matrix.kept, group: matrix.group)
        shape = matrix.shape
        self.layout = layout
        // Two vectors of 16 rows of X, of which the second may be nearly empty, beat the kernel for few rows.
        pairs = RowPairs(
            matrix.shape, from: 17, offsets: (0...matrix.shape.rows).map { $0 * matrix.entries },
            columns: matrix.keptColumns.flatMap { row in row.map { UInt32($0) } },
            values: matrix.values.values(0..<matrix.values.count), precision: matrix.values.precision)
        storage = TensorStorage(byteCount: tessera_nm_bytes(layout), isReadOften: true) { target in
            matrix.values.withView { values in
                matrix.places.withBytes { places in
                    guard let places = places.baseAddress, let base = target.baseAddress else { return }
                    tessera_nm_pack(
                        layout, values.base, places.assumingMemoryBound(to: UInt8.self), rowBytes, base)
                }
            }
        }
    }

    var byteCount: Int { storage.byteCount }
    func scratchFloats(batch: Int) -> Int { pairs.scratchFloats(batch: batch) }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        guard input.rows < pairs.smallestBatch else {
            return pairs.apply(input, into: output, scratch: scratch, worker: worker)
        }
        let panel = Int(TESSERA_PANEL_ROWS)
        let rows = worker.share(of: shape.rows, grain: panel)
        var part = layout
        part.rows = rows.count
        var panelLayout = layout
        panelLayout.rows = panel
        let offset = rows.lowerBound / panel * tessera_nm_bytes(panelLayout)
        storage.withBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            PreparedTiles.kernels.nmProduct(
                part, input.base, input.rowStride, base + offset, output.base + rows.lowerBound, output.rowStride,
                input.rows)
        }
    }
}
