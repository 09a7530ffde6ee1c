import CKernels
import Tensors

extension NMSparse {
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct { PreparedNMSparse(self) }
}

/// An N:M matrix in panels of 64 rows, values and places in one stream.
struct PreparedNMSparse: PreparedProduct {
    let shape: MatrixShape
    private let layout: tessera_nm_shape
    private let storage: TensorStorage

    init(_ matrix: NMSparse) {
        let layout = tessera_nm_shape(
            format: matrix.values.precision.panelFormat, kept: matrix.kept, group: matrix.group,
            rows: matrix.shape.rows, columns: matrix.shape.columns)
        let rowBytes = NMSparse.rowBytes(columns: matrix.shape.columns, kept: matrix.kept, group: matrix.group)
        shape = matrix.shape
        self.layout = layout
        storage = TensorStorage(byteCount: tessera_nm_bytes(layout)) { target in
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
    func scratchFloats(batch: Int) -> Int { PreparedTiles.scratchFloats(batch: batch, columns: shape.columns) }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let panel = Int(TESSERA_PANEL_ROWS)
        let rows = worker.share(of: shape.rows, grain: panel)
        var part = layout
        part.rows = rows.count
        var panelLayout = layout
        panelLayout.rows = panel
        let offset = rows.lowerBound / panel * tessera_nm_bytes(panelLayout)
        storage.withBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            guard PreparedTiles.suits(batch: input.rows) else {
                PreparedTiles.kernels.nmProduct(
                    part, input.base, input.rowStride, base + offset, output.base + rows.lowerBound, output.rowStride,
                    input.rows)
                return
            }
            PreparedTiles.forEach(input, output, scratch: scratch, worker: worker) { tile, batch, output in
                PreparedTiles.kernels.nmTile(
                    part, tile, base + offset, output.base + rows.lowerBound, output.rowStride, batch)
            }
        }
    }
}
