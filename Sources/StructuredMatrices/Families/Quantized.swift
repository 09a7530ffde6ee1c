import CKernels
import Tensors

/// Group-wise symmetric integers: w = scale * q with q of 2, 3, 4 or 8 bits and one binary16 scale for every
/// `groupSize` consecutive weights of a row (the last group of a row may be shorter).
///
/// Codes are stored as q + 2^(bits - 1), a little-endian bit stream per row, padded to whole bytes; they stay
/// packed in memory too (mapped from the file when read from one), and are decoded panel by panel.
/// rows columns multiply-adds plus the decoding.
public struct Quantized: StructuredMatrix {
    public static let family = Family(
        name: "quantized", summary: "small integers with a scale per group of inputs",
        source: "standard practice")

    public static let supportedBits = [2, 3, 4, 8]
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
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidSize(family: Self.family.name, shape: shape, reason: reason)
        }
        guard Self.supportedBits.contains(bits) else {
            throw invalid("bits must be 2, 3, 4 or 8, got \(bits)")
        }
        guard groupSize > 0 else { throw invalid("groups must have at least one weight, got \(groupSize)") }
        guard shape.rows >= 0, shape.columns >= 0 else { throw invalid("sizes cannot be negative") }
        guard codes.count == shape.count else {
            throw invalid("it needs \(shape.count) codes, got \(codes.count)")
        }
        let groups = shape.columns.dividedRoundingUp(by: groupSize)
        guard scales.count == shape.rows * groups else {
            throw invalid("it needs \(shape.rows * groups) scales, got \(scales.count)")
        }
        let range = Self.range(bits: bits)
        if let code = codes.first(where: { !range.contains(Int($0)) }) {
            throw invalid("code \(code) does not fit \(bits) bits")
        }
        let rowBytes = (shape.columns * bits).dividedRoundingUp(by: 8)
        var packed = [UInt8](repeating: 0, count: shape.rows * rowBytes)
        for row in 0..<shape.rows {
            for column in 0..<shape.columns {
                let code = Int(codes[row * shape.columns + column]) - range.lowerBound
                let (byte, bit) = (column * bits).quotientAndRemainder(dividingBy: 8)
                // A 3-bit code may straddle two bytes.
                packed[row * rowBytes + byte] |= UInt8(truncatingIfNeeded: code << bit)
                if bit + bits > 8 {
                    packed[row * rowBytes + byte + 1] |= UInt8(truncatingIfNeeded: code >> (8 - bit))
                }
            }
        }
        self.shape = shape
        self.bits = bits
        self.groupSize = groupSize
        self.codes = try Tensor(elementType: .u8, shape: [shape.rows, rowBytes], bytes: packed)
        self.scales = scales.map(HalfFloat.bits(of:))
    }

    private var rowBytes: Int { (shape.columns * bits).dividedRoundingUp(by: 8) }
    private var groups: Int { shape.columns.dividedRoundingUp(by: groupSize) }

    public var cost: Cost {
        Cost(
            parameters: shape.count + scales.count, storedBytes: codes.byteCount + 2 * scales.count,
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
                        DenseProduct.apply(input, w.readable, into: output.columns(rows), context: .serial)
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

    /// Packs the codes in panels where groups are made up of whole ones of theirs; 3-bit codes become 4-bit ones.
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
            let bytes = scales.flatMap {
                [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
            }
            return [
                ("codes", codes),
                ("scales", try Tensor(elementType: .f16, shape: [shape.rows, groups], bytes: bytes)),
            ]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["bits": bits, "groupSize": groupSize]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        bits = try attributes.integer("bits")
        guard Self.supportedBits.contains(bits) else {
            throw StructuredMatrixError.invalidAttribute(
                matrix: attributes.matrix, attribute: "bits", expected: "2, 3, 4 or 8", got: bits)
        }
        groupSize = try attributes.integer("groupSize")
        // Bounded so that the sizes of the packed rows cannot overflow.
        for (name, size) in [("rows", shape.rows), ("columns", shape.columns)]
        where !(0...Int(Int32.max)).contains(size) {
            throw StructuredMatrixError.invalidAttribute(
                matrix: attributes.matrix, attribute: name, expected: "0 to \(Int32.max)", got: size)
        }
        self.shape = shape
        codes = try tensors.tensor(
            "codes", shape: [shape.rows, (shape.columns * bits).dividedRoundingUp(by: 8)], elementType: .u8)
        let groups = shape.columns.dividedRoundingUp(by: groupSize)
        scales = try tensors.tensor("scales", shape: [shape.rows, groups], elementType: .f16).withBytes {
            bytes in
            (0..<bytes.count / 2).map {
                UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))
            }
        }
    }
}

extension Int {
    fileprivate func dividedRoundingUp(by divisor: Int) -> Int {
        self / divisor + (self % divisor == 0 ? 0 : 1)
    }
}
