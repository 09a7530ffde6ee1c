import CKernels
import Testing

/// A table of products with packed panels this processor runs, as a test argument.
struct PanelVariant: Sendable, CustomTestStringConvertible {
    let name: String

    var testDescription: String { name }

    var kernels: tessera_panel_kernels { (tessera_panels_named(name) ?? tessera_panels_portable()).pointee }

    /// Slowest first.
    static let available: [PanelVariant] = ["portable", "neon", "avx2", "avx512", "avx512bf16"]
        .filter { (name: String) in tessera_panels_named(name) != nil }
        .map { PanelVariant(name: $0) }
}

/// A packed matrix that ends where its memory does, beside the numbers it stands for.
struct PackedWeights {
    let format: tessera_panel_format
    let rows: Int
    let columns: Int
    /// What the packed form holds, rounded to its format, row-major.
    let values: [Float]
    let packed: EdgeBuffer<UInt8>

    init(_ format: tessera_panel_format, rows: Int, columns: Int, seed: UInt64) {
        var source = SeededValues(seed: seed)
        self.init(format, rows: rows, columns: columns, values: source.floats(rows * columns))
    }

    init(_ format: tessera_panel_format, rows: Int, columns: Int, values: [Float]) {
        self.format = format
        self.rows = rows
        self.columns = columns
        packed = EdgeBuffer(repeating: 0xa5, count: tessera_panel_bytes(format, rows, columns))
        tessera_pack(format, values, columns, rows, columns, packed.start)
        var unpacked = [Float](repeating: 0, count: rows * columns)
        tessera_unpack(format, packed.start, &unpacked, columns, rows, columns)
        self.values = unpacked
    }

    /// The panel that begins at a multiple of 64 rows.
    func panel(at row: Int) -> UnsafeRawPointer {
        UnsafeRawPointer(packed.start + tessera_panel_bytes(format, row, columns))
    }
}

let panelFormats = [TESSERA_PANEL_F32, TESSERA_PANEL_F16, TESSERA_PANEL_BF16]

extension tessera_panel_format: @retroactive CustomTestStringConvertible {
    public var testDescription: String {
        switch self {
        case TESSERA_PANEL_F32: "f32"
        case TESSERA_PANEL_F16: "f16"
        default: "bf16"
        }
    }
}
