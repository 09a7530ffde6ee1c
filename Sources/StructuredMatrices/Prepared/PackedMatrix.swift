import CKernels
import Tensors

/// `count` matrices of one shape in the panels of CKernels (panels.h), in f32, f16 or bf16.
///
/// With inputs rounded to bf16, |error of y_o| <= (2^-8 + columns 2^-24) sum over i of |W_oi x_i|, about: half a unit in
/// the last of 8 bits for every x, and the rounding of f32 sums.
///
/// Memory: the numbers in their precision, rows padded to a multiple of 16.
struct PackedMatrix: Sendable {
    let count: Int
    let rows: Int
    let columns: Int
    /// Whether inputs are rounded to bf16 too.
    let roundsInputs: Bool
    private let format: tessera_panel_format
    private let storage: TensorStorage
    /// Of one matrix, and of one whole panel.
    private let matrixBytes: Int
    private let panelBytes: Int

    /// Shared by all threads and never written: the tables are constants.
    nonisolated(unsafe) static let kernels = tessera_panels_best().pointee
    static let panelRows = Int(TESSERA_PANEL_ROWS)

    var byteCount: Int { storage.byteCount }
    var panelsPerMatrix: Int { (rows + Self.panelRows - 1) / Self.panelRows }
    var multiplyAdds: Int { count * rows * columns }

    /// - Parameter matrix: lends matrix `index` of rows x columns to the closure it is given.
    init(
        count: Int = 1, rows: Int, columns: Int, precision: Precision, _ options: PreparationOptions,
        matrix: (_ index: Int, _ body: (MatrixView) -> Void) -> Void
    ) {
        let format = precision.panelFormat
        let bytes = tessera_panel_bytes(format, rows, columns)
        self.count = count
        self.rows = rows
        self.columns = columns
        roundsInputs = precision == .bf16 && options.activations != .none && Self.kernels.bfloatProduct != nil
        self.format = format
        matrixBytes = bytes
        panelBytes = tessera_panel_bytes(format, Self.panelRows, columns)
        storage = TensorStorage(byteCount: count * bytes, isReadOften: true) { target in
            guard let base = target.baseAddress else { return }
            for index in 0..<count {
                matrix(index) { tessera_pack(format, $0.base, $0.rowStride, rows, columns, base + index * bytes) }
            }
        }
    }

    /// The last dimension of a factor is the columns; the rest is cut into `count` matrices.
    init(_ factor: Factor, count: Int = 1, _ options: PreparationOptions) {
        let rows = factor.shape.dropLast().reduce(1, *) / max(1, count)
        self = factor.withPassingView { whole in
            PackedMatrix(
                count: count, rows: rows, columns: factor.shape.last ?? 1, precision: factor.precision, options
            ) { index, body in body(whole.stacked(index, rows: rows)) }
        }
    }

    /// Y = X W^T (+ Y when `accumulating`) for `rows` of one matrix; X batch x columns, Y batch x rows.count.
    /// - Precondition: `rows` begins at a panel.
    func multiply(
        _ index: Int, rows range: Range<Int>, _ x: MatrixView, into y: MutableMatrixView, accumulating: Bool
    ) {
        storage.withBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let panels = base + index * matrixBytes + range.lowerBound / Self.panelRows * panelBytes
            if roundsInputs, let product = Self.kernels.bfloatProduct {
                product(
                    x.base, x.rowStride, panels, y.base, y.rowStride, x.rows, range.count, columns, accumulating)
            } else {
                Self.kernels.product(
                    format, x.base, x.rowStride, panels, y.base, y.rowStride, x.rows, range.count, columns, accumulating)
            }
        }
    }
}

extension Precision {
    /// The same in the panels of CKernels.
    var panelFormat: tessera_panel_format {
        switch self {
        case .f32: TESSERA_PANEL_F32
        case .f16: TESSERA_PANEL_F16
        case .bf16: TESSERA_PANEL_BF16
        }
    }
}
