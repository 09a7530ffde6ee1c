import CKernels
import Tensors

/// How the entries of sparse products lie in memory.
enum PreparedSlots {
    /// In 2 or 4 bytes each.
    static func columns(_ columns: [UInt32], isWide: Bool) -> TensorStorage {
        TensorStorage(byteCount: columns.count * (isWide ? 4 : 2)) { target in
            if isWide {
                columns.withUnsafeBytes(target.copyMemory)
            } else {
                columns.map { UInt16(truncatingIfNeeded: $0) }.withUnsafeBytes(target.copyMemory)
            }
        }
    }

    static func values(_ values: [Float], _ precision: Precision) -> TensorStorage {
        TensorStorage(byteCount: values.count * precision.elementType.byteCount) { target in
            guard let base = target.baseAddress else { return }
            let halves = base.assumingMemoryBound(to: UInt16.self)
            switch precision {
            case .f32: values.withUnsafeBytes(target.copyMemory)
            case .f16: DenseProduct.kernels.floatToHalf(values, halves, values.count)
            case .bf16: DenseProduct.kernels.floatToBfloat(values, halves, values.count)
            }
        }
    }
}
