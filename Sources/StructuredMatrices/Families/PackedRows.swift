import CKernels
import Tensors

/// Borrowed rows of packed codes, read only: safe to share among the threads of one call. w = scale * (q - zero), the
/// zero points in units of 2^(bits - 8); without any they are 0.
struct PackedRows: @unchecked Sendable {
    let codes: UnsafePointer<UInt8>
    let bits: Int
    let rowBytes: Int
    let scales: UnsafePointer<UInt16>
    var zeros: UnsafePointer<Int8>?
    let groups: Int
    let groupSize: Int
    let columns: Int

    /// The given rows of W.
    func decode(_ rows: Range<Int>, into w: MutableMatrixView) {
        for row in rows {
            let target = w.row(row - rows.lowerBound)
            Kernels.best.dequantizeRow(
                codes + row * rowBytes, bits, scales + row * groups, groupSize, target, columns)
            guard zeros != nil else { continue }
            // scale * q, the offset and their sum all have fewer bits than a float: nothing is rounded.
            for group in 0..<groups {
                let offset = offset(row: row, group: group)
                for column in group * groupSize..<min(columns, (group + 1) * groupSize) { target[column] += offset }
            }
        }
    }

    /// - scale * zero of a group: what every weight of it is moved by. Exact.
    func offset(row: Int, group: Int) -> Float {
        guard let zeros else { return 0 }
        let unit = Float(sign: .plus, exponent: bits - 8, significand: 1)
        let index = row * groups + group
        return -HalfFloat.value(of: scales[index]) * (Float(zeros[index]) * unit)
    }

    /// The rows in panels, codes of 3 bits as of 4, of 5 and 6 as of 8; nil where groups are not made up of whole ones of
    /// the panels. Zero points are left out: see `offsets`.
    func panels(rows: Int) -> PackedCodes? {
        guard let panelGroup = PackedCodes.panelGroup(groupSize: groupSize, columns: columns) else { return nil }
        return PackedCodes(
            shape: MatrixShape(rows: rows, columns: columns), bits: bits == 3 ? 4 : bits > 4 ? 8 : bits,
            zero: 1 << (bits - 1), groupSize: panelGroup,
            scales: { row, group in scales[row * groups + group * panelGroup / groupSize] },
            codes: { row, target in tessera_unpack_codes(bits, codes + row * rowBytes, columns, target) })
    }

    /// The offsets of the panels' groups, rows x groups: a product adds their product with the sums of x over the groups.
    func offsets(of panels: PackedCodes) -> PackedMatrix {
        let offsets = Matrix(rows: panels.shape.rows, columns: panels.groups) { row, group in
            offset(row: row, group: group * panels.groupSize / groupSize)
        }
        return PackedMatrix(rows: offsets.rows, columns: offsets.columns, precision: .f32, PreparationOptions()) { _, body in
            offsets.withView(body)
        }
    }

    /// Y = X W^T for the given rows of W without zero points, decoding as it goes.
    func multiply(_ x: MatrixView, rows: Range<Int>, into y: MutableMatrixView) {
        withScratch(rows: 16, columns: columns) { scratch in
            Kernels.best.quantizedProduct(
                x.base, x.rowStride, codes + rows.lowerBound * rowBytes, bits, rowBytes,
                scales + rows.lowerBound * groups, groups, groupSize, y.base, y.rowStride, x.rows, rows.count,
                columns, false, scratch.base)
        }
    }
}
