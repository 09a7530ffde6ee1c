import CKernels
import Tensors

/// Group-wise symmetric integers: w = scale * q with q of 2 to 6 or 8 bits and one binary16 scale for every
/// `groupSize` consecutive weights of a row (the last group of a row may be shorter).
///
/// Codes are stored as q + 2^(bits - 1), a little-endian bit stream per row, padded to whole bytes; they stay
/// packed in memory too (mapped from the file when read from one), and are decoded panel by panel.
/// rows columns multiply-adds plus the decoding.
public struct Quantized: GroupQuantized {
    public static let family = Family(
        name: "quantized", summary: "small integers with a scale per group of inputs",
        source: "standard practice")

    public static let supportedBits = [2, 3, 4, 5, 6, 8]
    /// For messages.
    package static let supportedBitsText = "2, 3, 4, 5, 6 or 8"
    /// Rows decoded at once.
    private static let panel = 64

    public let shape: MatrixShape
    public let bits: Int
    public let groupSize: Int
    /// U8 [rows, ceil(columns bits / 8)].
    public let codes: Tensor
    /// IEEE binary16 patterns, rows x ceil(columns / groupSize).
    public let scales: [UInt16]

    /// The integers a code of this many bits can stand for.
    public static func range(bits: Int) -> ClosedRange<Int> { -(1 << (bits - 1))...(1 << (bits - 1)) - 1 }

    /// - Parameters:
    ///   - codes: q, rows x columns, each within `range(bits:)`.
    ///   - scales: rows x ceil(columns / groupSize), rounded to binary16 here.
    /// - Throws: `StructuredMatrixError.invalidSize` for other bits, counts or codes.
    public init(codes: [Int8], scales: [Float], shape: MatrixShape, bits: Int, groupSize: Int) throws {
        try Self.check(codes: codes, scales: scales.count, shape: shape, bits: bits, groupSize: groupSize)
        let packed = CodeStream.pack(codes, rows: shape.rows, columns: shape.columns, bits: bits)
        self.shape = shape
        self.bits = bits
        self.groupSize = groupSize
        self.codes = try Tensor(
            elementType: .u8, shape: [shape.rows, CodeStream.rowBytes(columns: shape.columns, bits: bits)], bytes: packed)
        self.scales = scales.map(HalfFloat.bits(of:))
    }

    public static var hasZeroPoints: Bool { false }

    public init(
        codes: [Int8], scales: [Float], zeros: [Int8], shape: MatrixShape, bits: Int, groupSize: Int
    ) throws {
        try self.init(codes: codes, scales: scales, shape: shape, bits: bits, groupSize: groupSize)
    }

    private var rowBytes: Int { CodeStream.rowBytes(columns: shape.columns, bits: bits) }
    private var groups: Int { shape.columns.dividedRoundingUp(by: groupSize) }

    public var cost: Cost { Self.cost(shape: shape, bits: bits, groupSize: groupSize) }

    public static func cost(shape: MatrixShape, bits: Int, groupSize: Int) -> Cost {
        let scales = shape.rows * shape.columns.dividedRoundingUp(by: groupSize)
        return Cost(
            parameters: shape.count + scales,
            storedBytes: shape.rows * CodeStream.rowBytes(columns: shape.columns, bits: bits) + 2 * scales,
            multiplyAdds: shape.count)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        let panels = shape.rows.dividedRoundingUp(by: Self.panel)
        let context = DenseProduct.isShared(batch: input.rows, weights: shape.count) ? context : .serial
        withPacked { packed in
            context.parallelFor(panels) { panel in
                let rows = panel * Self.panel..<min(shape.rows, (panel + 1) * Self.panel)
                if input.rows <= DenseProduct.largestKernelBatch {
                    packed.multiply(input, rows: rows, into: output.columns(rows))
                } else {
                    withScratch(rows: rows.count, columns: shape.columns) { w in
                        packed.decode(rows, into: w)
                        DenseProduct.serialInBatches(input, w.readable, into: output.columns(rows))
                    }
                }
            }
        }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        withPacked { packed in
            withScratch(rows: min(shape.rows, Self.panel), columns: shape.columns) { scratch in
                for start in stride(from: 0, to: shape.rows, by: Self.panel) {
                    let rows = start..<min(shape.rows, start + Self.panel)
                    let w = scratch.rows(0..<rows.count)
                    packed.decode(rows, into: w)
                    DenseProduct.applyTransposed(
                        input.columns(rows), w.readable, into: output, accumulating: start > 0,
                        context: context)
                }
            }
        }
    }

    /// Packs the codes in panels where groups are made up of whole ones of theirs; codes of 3, 5 and 6 bits become wider.
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        var panels: PackedCodes?
        withPacked { panels = $0.panels(rows: shape.rows) }
        return panels.map { PreparedCodes([$0], activations: options.activations) } ?? UnpackedProduct(self)
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        var result = Matrix(rows: rows.count, columns: shape.columns)
        result.withMutableView { result in
            withPacked { packed in
                for (index, row) in rows.enumerated() {
                    packed.decode(row..<row + 1, into: result.rows(index..<index + 1))
                }
            }
        }
        return result
    }

    /// Lends the codes and scales to the kernels. Does nothing for a matrix without weights.
    private func withPacked(_ body: (PackedRows) -> Void) {
        codes.withBytes { codes in
            scales.withUnsafeBufferPointer { scales in
                guard let codes = codes.assumingMemoryBound(to: UInt8.self).baseAddress,
                    let scales = scales.baseAddress
                else { return }
                body(
                    PackedRows(
                        codes: codes, bits: bits, rowBytes: rowBytes, scales: scales, groups: groups,
                        groupSize: groupSize, columns: shape.columns))
            }
        }
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            [("codes", codes), ("scales", try Tensor(halves: scales, shape: [shape.rows, groups]))]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["bits": bits, "groupSize": groupSize]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        (bits, groupSize) = try Self.sizes(attributes, shape)
        self.shape = shape
        codes = try tensors.tensor(
            "codes", shape: [shape.rows, CodeStream.rowBytes(columns: shape.columns, bits: bits)], elementType: .u8)
        scales = try tensors.halves(
            "scales", shape: [shape.rows, shape.columns.dividedRoundingUp(by: groupSize)])
    }
}
