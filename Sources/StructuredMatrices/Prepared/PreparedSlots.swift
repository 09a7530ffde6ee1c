import CKernels
import Tensors

/// The entries of a sparse product as they lie in memory: columns in 2 or 4 bytes each, values as the matrix stores them.
struct PreparedSlots {
    let format: tessera_panel_format
    /// Whether columns take 4 bytes.
    let isWide: Bool
    private let indices: TensorStorage
    private let values: TensorStorage

    /// - Parameters:
    ///   - columns: of the entries, in the kernel's order.
    ///   - values: in the kernel's order, which may have more values than columns.
    ///   - width: columns of the matrix.
    init(columns: [UInt32], values: [Float], width: Int, _ precision: Precision) {
        let isWide = CompressedSparseRows.columnType(width) == .u32
        format = precision.panelFormat
        self.isWide = isWide
        indices = TensorStorage(byteCount: columns.count * (isWide ? 4 : 2)) { target in
            if isWide {
                columns.withUnsafeBytes(target.copyMemory)
            } else {
                columns.map { UInt16(truncatingIfNeeded: $0) }.withUnsafeBytes(target.copyMemory)
            }
        }
        self.values = Self.values(values, precision)
    }

    var byteCount: Int { indices.byteCount + values.byteCount }

    /// Lends both arrays; not where there are no entries.
    func withBytes(_ body: (_ indices: UnsafeRawPointer, _ values: UnsafeRawPointer) -> Void) {
        indices.withBytes { indices in
            values.withBytes { values in
                guard let indices = indices.baseAddress, let values = values.baseAddress else { return }
                body(indices, values)
            }
        }
    }

    static func values(_ values: [Float], _ precision: Precision) -> TensorStorage {
        TensorStorage(byteCount: values.count * precision.elementType.byteCount) { target in
            guard let base = target.baseAddress else { return }
            let halves = base.assumingMemoryBound(to: UInt16.self)
            switch precision {
            case .f32: values.withUnsafeBytes(target.copyMemory)
            case .f16: Kernels.best.floatToHalf(values, halves, values.count)
            case .bf16: Kernels.best.floatToBfloat(values, halves, values.count)
            }
        }
    }
}
