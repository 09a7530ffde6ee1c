import CKernels
import Tensors

/// Borrowed rows of packed codes, read only: safe to share among the threads of one call.
struct PackedRows: @unchecked Sendable {
    let codes: UnsafePointer<UInt8>
    let bits: Int
    let rowBytes: Int
    let scales: UnsafePointer<UInt16>
    let groups: Int
    let groupSize: Int
    let columns: Int

    /// The given rows of W.
    func decode(_ rows: Range<Int>, into w: MutableMatrixView) {
        for row in rows {
            DenseProduct.kernels.dequantizeRow(
                codes + row * rowBytes, bits, scales + row * groups, groupSize, w.row(row - rows.lowerBound),
                columns)
        }
    }

    /// The codes of one row, one a byte.
    func unpack(_ row: Int, into target: UnsafeMutablePointer<UInt8>) {
        let source = codes + row * rowBytes
        let mask = UInt(1 << bits - 1)
        for column in 0..<columns {
            let (byte, bit) = (column * bits).quotientAndRemainder(dividingBy: 8)
            var code = UInt(source[byte]) >> UInt(bit)
            if bit + bits > 8 { code |= UInt(source[byte + 1]) << UInt(8 - bit) }
            target[column] = UInt8(truncatingIfNeeded: code & mask)
        }
    }

    /// The rows in panels, 3-bit codes as 4-bit ones; nil where groups are not made up of whole ones of the panels.
    func panels(rows: Int) -> PackedCodes? {
        guard let panelGroup = PackedCodes.panelGroup(groupSize: groupSize, columns: columns) else { return nil }
        return PackedCodes(
            shape: MatrixShape(rows: rows, columns: columns), bits: bits == 3 ? 4 : bits, zero: 1 << (bits - 1),
            groupSize: panelGroup, scales: { row, group in scales[row * groups + group * panelGroup / groupSize] },
            codes: unpack)
    }

    /// Y = X W^T for the given rows of W, decoding as it goes.
    func multiply(_ x: MatrixView, rows: Range<Int>, into y: MutableMatrixView) {
        withScratch(rows: 16, columns: columns) { scratch in
            DenseProduct.kernels.quantizedProduct(
                x.base, x.rowStride, codes + rows.lowerBound * rowBytes, bits, rowBytes,
                scales + rows.lowerBound * groups, groups, groupSize, y.base, y.rowStride, x.rows, rows.count,
                columns, false, scratch.base)
        }
    }
}
