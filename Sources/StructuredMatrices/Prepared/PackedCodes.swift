import CKernels
import Tensors

/// Group-wise small integers in the panels of CKernels (codes.h): w = scale * (code - zero).
///
/// Memory: the codes and a binary16 scale per group, rows padded to a multiple of 16, columns to whole groups.
struct PackedCodes: Sendable {
    let shape: MatrixShape
    /// 8, 4 or 2.
    let bits: Int
    let zero: Int
    /// Of the panels: 32, 64, 96 or 128, whatever the matrix's own is.
    let groupSize: Int
    private let storage: TensorStorage

    /// Shared by all threads and never written: the tables are constants.
    nonisolated(unsafe) static let kernels = tessera_codes_best().pointee
    static let panelRows = Int(TESSERA_PANEL_ROWS)

    var byteCount: Int { storage.byteCount }
    var groups: Int { (shape.columns + groupSize - 1) / groupSize }
    var panels: Int { (shape.rows + Self.panelRows - 1) / Self.panelRows }

    /// The largest group of the panels of which groups of `groupSize` columns are made up; nil when there is none.
    static func panelGroup(groupSize: Int, columns: Int) -> Int? {
        let sizes = [128, 96, 64, 32]
        if groupSize < columns { return sizes.first { groupSize % $0 == 0 } }
        // One scale a row: any size will do, the less padding the better.
        func padded(_ size: Int) -> Int { (columns + size - 1) / size * size }
        return sizes.min { padded($0) < padded($1) }
    }

    /// - Parameters:
    ///   - bits: 8, 4 or 2.
    ///   - groupSize: as `panelGroup` gave it.
    ///   - scales: the binary16 pattern of (row, panel group).
    ///   - codes: writes the codes of a row, one a byte.
    init(
        shape: MatrixShape, bits: Int, zero: Int, groupSize: Int, scales: (_ row: Int, _ group: Int) -> UInt16,
        codes: (_ row: Int, _ target: UnsafeMutablePointer<UInt8>) -> Void
    ) {
        self.shape = shape
        self.bits = bits
        self.zero = zero
        self.groupSize = groupSize
        let groups = (shape.columns + groupSize - 1) / groupSize
        let panelBytes = tessera_code_panel_bytes(bits, groupSize, Self.panelRows, shape.columns)
        let bytes = tessera_code_panel_bytes(bits, groupSize, shape.rows, shape.columns)
        storage = TensorStorage(byteCount: bytes, isReadOften: true) { target in
            guard let base = target.baseAddress else { return }
            let height = min(shape.rows, Self.panelRows)
            var panelCodes = [UInt8](repeating: 0, count: height * shape.columns)
            var panelScales = [UInt16](repeating: 0, count: height * groups)
            for first in stride(from: 0, to: shape.rows, by: Self.panelRows) {
                let rows = min(Self.panelRows, shape.rows - first)
                panelCodes.withUnsafeMutableBufferPointer { buffer in
                    guard let start = buffer.baseAddress else { return }
                    for row in 0..<rows { codes(first + row, start + row * shape.columns) }
                }
                for row in 0..<rows {
                    for group in 0..<groups { panelScales[row * groups + group] = scales(first + row, group) }
                }
                tessera_pack_codes(
                    bits, groupSize, zero, panelCodes, shape.columns, panelScales, groups, rows, shape.columns,
                    base + first / Self.panelRows * panelBytes)
            }
        }
    }

    /// Y (+)= X W^T for the rows of some panels, with X rounded.
    func multiply(
        _ x: tessera_quantized_rows, panels: Range<Int>, into y: MutableMatrixView, accumulating: Bool
    ) {
        withPanels(panels) { packed, rows in
            Self.kernels.codeProduct(
                bits, zero, x, packed, y.base + rows.lowerBound, y.rowStride, y.rows, rows.count, shape.columns,
                accumulating)
        }
    }

    /// Y (+)= X W^T for the rows of some panels, with X as it is.
    func multiplyExactly(_ x: MatrixView, panels: Range<Int>, into y: MutableMatrixView, accumulating: Bool) {
        withPanels(panels) { packed, rows in
            Self.kernels.codeProductExact(
                bits, zero, groupSize, x.base, x.rowStride, packed, y.base + rows.lowerBound, y.rowStride, y.rows,
                rows.count, shape.columns, accumulating)
        }
    }

    func withPanels(_ panels: Range<Int>, _ body: (UnsafeRawPointer, Range<Int>) -> Void) {
        storage.withBytes { bytes in
            // Without columns there are no bytes to lend, but Y still has to be written.
            let base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 64).unsafelyUnwrapped
            let panelBytes = tessera_code_panel_bytes(bits, groupSize, Self.panelRows, shape.columns)
            let rows = panels.lowerBound * Self.panelRows..<min(shape.rows, panels.upperBound * Self.panelRows)
            if !rows.isEmpty { body(base + panels.lowerBound * panelBytes, rows) }
        }
    }
}
