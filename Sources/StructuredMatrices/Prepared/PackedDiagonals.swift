import CKernels
import Tensors

/// A grid of diagonal blocks: output block i is the sum over j of s_ij times input block j, element by element.
///
/// Memory: the numbers in their precision, as they are stored.
struct PackedDiagonals: Sendable {
    let outputs: Int
    let inputs: Int
    let width: Int
    private let format: tessera_panel_format
    private let storage: TensorStorage

    /// - Parameter s: [outputs, inputs, width], exactly representable in `precision`.
    init(_ s: [Float], outputs: Int, inputs: Int, width: Int, precision: Precision) {
        precondition(s.count == outputs * inputs * width)
        (self.outputs, self.inputs, self.width) = (outputs, inputs, width)
        format = precision.panelFormat
        storage = PreparedSlots.values(s, precision)
    }

    var byteCount: Int { storage.byteCount }

    /// Some of the output blocks. X batch x inputs * width, Y batch x outputs * width.
    func apply(_ x: MatrixView, into y: MutableMatrixView, blocks: Range<Int>) {
        guard !blocks.isEmpty, width > 0 else { return }
        storage.withBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let block = byteCount / outputs
            PackedMatrix.kernels.diagonalGrid(
                format, x.base, x.rowStride, base + blocks.lowerBound * block, y.base + blocks.lowerBound * width,
                y.rowStride, x.rows, blocks.count, inputs, width)
        }
    }
}
