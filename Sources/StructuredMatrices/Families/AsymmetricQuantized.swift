import CKernels
import Tensors

/// Group-wise integers with zero points: w = scale * (q - zero) with q of 2 to 6 or 8 bits, one binary16 scale and one
/// zero point of 8 bits for every `groupSize` consecutive weights of a row (the last group of a row may be shorter).
///
/// Codes are stored as those of `Quantized`. Zero points count in units of 2^(bits - 8) steps, so that they lie within
/// the range of q, and between its integers where q is small: with 2 bits, 4 levels lie evenly around 0 only when the
/// zero point is half a step off. A zero point costs 8 / groupSize bits a weight.
/// rows columns multiply-adds, and one more for every group of a row.
public struct AsymmetricQuantized: GroupQuantized {
    public static let family = Family(
        name: "quantized-asymmetric", summary: "small integers with a scale and a zero point per group of inputs",
        source: "standard practice")

    public let shape: MatrixShape
    public let bits: Int
    public let groupSize: Int
    /// U8 [rows, ceil(columns bits / 8)].
    public let codes: Tensor
    /// IEEE binary16 patterns, rows x ceil(columns / groupSize).
    public let scales: [UInt16]
    /// In units of 2^(bits - 8), rows x ceil(columns / groupSize).
    public let zeros: [Int8]

    public static var hasZeroPoints: Bool { true }

    public init(
        codes: [Int8], scales: [Float], zeros: [Int8], shape: MatrixShape, bits: Int, groupSize: Int
    ) throws {
        try Self.check(codes: codes, scales: scales.count, shape: shape, bits: bits, groupSize: groupSize)
        guard zeros.count == scales.count else {
            throw StructuredMatrixError.invalidSize(
                family: Self.family.name, shape: shape,
                reason: "it needs \(scales.count) zero points, got \(zeros.count)")
        }
        self.shape = shape
        self.bits = bits
        self.groupSize = groupSize
        self.codes = try Tensor(
            elementType: .u8, shape: [shape.rows, CodeStream.rowBytes(columns: shape.columns, bits: bits)],
            bytes: CodeStream.pack(codes, rows: shape.rows, columns: shape.columns, bits: bits))
        self.scales = scales.map(HalfFloat.bits(of:))
        self.zeros = zeros
    }

    private var groups: Int { shape.columns.dividedRoundingUp(by: groupSize) }

    public var cost: Cost { Self.cost(shape: shape, bits: bits, groupSize: groupSize) }

    public static func cost(shape: MatrixShape, bits: Int, groupSize: Int) -> Cost {
        let groups = shape.rows * shape.columns.dividedRoundingUp(by: groupSize)
        return Cost(
            parameters: shape.count + 2 * groups,
            storedBytes: shape.rows * CodeStream.rowBytes(columns: shape.columns, bits: bits) + 3 * groups,
            multiplyAdds: shape.count + groups)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        withPacked { packed in
            DecodedRows.apply(input, into: output, shape: shape, context: context) { packed.decode($0, into: $1) }
        }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        withPacked { packed in
            DecodedRows.applyTransposed(input, into: output, shape: shape, context: context) {
                packed.decode($0, into: $1)
            }
        }
    }

    /// Packs the codes in panels where groups are made up of whole ones of theirs, the zero points as offsets beside them.
    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        var product: PreparedCodes?
        withPacked { packed in
            product = packed.panels(rows: shape.rows).map {
                PreparedCodes([$0], offsets: packed.offsets(of: $0), activations: options.activations)
            }
        }
        return product ?? UnpackedProduct(self)
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        var result = Matrix(rows: rows.count, columns: shape.columns)
        withPacked { packed in
            result = DecodedRows.gather(rows: rows, columns: shape.columns) { packed.decode($0, into: $1) }
        }
        return result
    }

    /// Lends the codes, scales and zero points to the kernels. Does nothing for a matrix without weights.
    private func withPacked(_ body: (PackedRows) -> Void) {
        codes.withBytes { codes in
            scales.withUnsafeBufferPointer { scales in
                zeros.withUnsafeBufferPointer { zeros in
                    guard let codes = codes.assumingMemoryBound(to: UInt8.self).baseAddress,
                        let scales = scales.baseAddress, let zeros = zeros.baseAddress
                    else { return }
                    body(
                        PackedRows(
                            codes: codes, bits: bits, rowBytes: CodeStream.rowBytes(columns: shape.columns, bits: bits),
                            scales: scales, zeros: zeros, groups: groups, groupSize: groupSize,
                            columns: shape.columns))
                }
            }
        }
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            [
                ("codes", codes), ("scales", try Tensor(halves: scales, shape: [shape.rows, groups])),
                (
                    "zeros",
                    try Tensor(
                        elementType: .i8, shape: [shape.rows, groups], bytes: zeros.map { UInt8(bitPattern: $0) })
                ),
            ]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["bits": bits, "groupSize": groupSize]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        (bits, groupSize) = try Self.sizes(attributes, shape)
        self.shape = shape
        codes = try tensors.tensor(
            "codes", shape: [shape.rows, CodeStream.rowBytes(columns: shape.columns, bits: bits)], elementType: .u8)
        let groups = shape.columns.dividedRoundingUp(by: groupSize)
        scales = try tensors.halves("scales", shape: [shape.rows, groups])
        zeros = try tensors.tensor("zeros", shape: [shape.rows, groups], elementType: .i8).withBytes {
            $0.map { Int8(bitPattern: $0) }
        }
    }
}
