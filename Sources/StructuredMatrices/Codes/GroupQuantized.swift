import Tensors

/// A family of small integers with a scale, and perhaps a zero point, for every group of consecutive weights of a row:
/// w = scale * (q - zero). What the rounding fitters need to know of it.
public protocol GroupQuantized: StructuredMatrix {
    /// Whether groups have zero points; otherwise they are all 0.
    static var hasZeroPoints: Bool { get }

    /// What a matrix of these bits and groups costs.
    static func cost(shape: MatrixShape, bits: Int, groupSize: Int) -> Cost

    /// - Parameters:
    ///   - codes: q, rows x columns, each within `Quantized.range(bits:)`.
    ///   - scales: rows x ceil(columns / groupSize), rounded to binary16.
    ///   - zeros: as many, in units of 2^(bits - 8); not looked at where there are no zero points.
    /// - Throws: `StructuredMatrixError.invalidSize` for other bits, counts or codes.
    init(codes: [Int8], scales: [Float], zeros: [Int8], shape: MatrixShape, bits: Int, groupSize: Int) throws
}

extension GroupQuantized {
    /// Refuses what no matrix of this family can have.
    static func check(codes: [Int8], scales: Int, shape: MatrixShape, bits: Int, groupSize: Int) throws {
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidSize(family: Self.family.name, shape: shape, reason: reason)
        }
        guard Quantized.supportedBits.contains(bits) else {
            throw invalid("bits must be \(Quantized.supportedBitsText), got \(bits)")
        }
        guard groupSize > 0 else { throw invalid("groups must have at least one weight, got \(groupSize)") }
        guard shape.rows >= 0, shape.columns >= 0 else { throw invalid("sizes cannot be negative") }
        guard codes.count == shape.count else {
            throw invalid("it needs \(shape.count) codes, got \(codes.count)")
        }
        let expected = shape.rows * shape.columns.dividedRoundingUp(by: groupSize)
        guard scales == expected else { throw invalid("it needs \(expected) scales, got \(scales)") }
        let range = Quantized.range(bits: bits)
        if let code = codes.first(where: { !range.contains(Int($0)) }) {
            throw invalid("code \(code) does not fit \(bits) bits")
        }
    }

    /// Bits and group size of a stored matrix, and a shape whose packed rows cannot overflow.
    static func sizes(_ attributes: FamilyAttributes, _ shape: MatrixShape) throws -> (bits: Int, groupSize: Int) {
        let bits = try attributes.integer("bits")
        guard Quantized.supportedBits.contains(bits) else {
            throw StructuredMatrixError.invalidAttribute(
                matrix: attributes.matrix, attribute: "bits", expected: Quantized.supportedBitsText, got: bits)
        }
        let groupSize = try attributes.integer("groupSize")
        try attributes.check(shape)
        return (bits, groupSize)
    }
}

extension TensorLookup {
    /// Binary16 patterns of a tensor of this shape.
    /// - Throws: as `tensor`.
    func halves(_ name: String, shape: [Int]) throws -> [UInt16] {
        try tensor(name, shape: shape, elementType: .f16).withBytes { bytes in
            (0..<bytes.count / 2).map {
                UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))
            }
        }
    }
}

extension Tensor {
    /// Binary16 patterns as a tensor.
    init(halves: [UInt16], shape: [Int]) throws {
        let bytes = halves.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
        try self.init(elementType: .f16, shape: shape, bytes: bytes)
    }
}

extension Int {
    func dividedRoundingUp(by divisor: Int) -> Int { self / divisor + (self % divisor == 0 ? 0 : 1) }
}
