import Tensors

/// N:M sparsity: `kept` of every `group` consecutive weights of a row, the others zero and not stored.
///
/// Values are stored in order of columns, their places within the groups beside them in 2, 3 or 4 bits each.
/// rows columns kept / group multiply-adds.
public struct NMSparse: StructuredMatrix {
    public static let family = Family(
        name: "nm-sparse", summary: "N weights kept in every M consecutive inputs",
        source: "Mishra et al. 2021, arXiv 2104.08378")

    public static let supportedGroups = [4, 8, 16]

    public let shape: MatrixShape
    public let kept: Int
    public let group: Int
    /// rows x columns / group * kept.
    public let values: Factor
    /// U8 [rows, ceil(columns / group * kept * bits / 8)]: a little-endian bit stream per row, padded to whole bytes.
    public let places: Tensor

    /// Bits of a place.
    static func bits(group: Int) -> Int { group == 4 ? 2 : group == 8 ? 3 : 4 }
    static func rowBytes(columns: Int, kept: Int, group: Int) -> Int {
        (columns / group * kept * bits(group: group) + 7) / 8
    }

    /// What a matrix of this form costs.
    public static func cost(shape: MatrixShape, kept: Int, group: Int, precision: Precision) -> Cost {
        let count = shape.rows * (shape.columns / group * kept)
        let placeBytes = shape.rows * rowBytes(columns: shape.columns, kept: kept, group: group)
        return Cost(
            parameters: count, storedBytes: count * precision.elementType.byteCount + placeBytes,
            multiplyAdds: count)
    }

    /// - Parameters:
    ///   - values: rows x columns / group * kept, in order of columns, rounded to `precision`.
    ///   - places: of the values within their groups, each 0..<group, ascending within a group.
    /// - Throws: `StructuredMatrixError.invalidSize` for other groups, counts or places.
    public init(
        values: [Float], places: [UInt8], shape: MatrixShape, kept: Int, group: Int, precision: Precision = .f32
    ) throws {
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidSize(family: Self.family.name, shape: shape, reason: reason)
        }
        guard Self.supportedGroups.contains(group) else { throw invalid("groups must be of 4, 8 or 16, got \(group)") }
        guard (1...group).contains(kept) else { throw invalid("it keeps 1 to \(group) of a group, got \(kept)") }
        guard shape.rows >= 0, shape.columns >= 0 else { throw invalid("sizes cannot be negative") }
        guard shape.columns % group == 0 else { throw invalid("columns must be a multiple of \(group)") }
        let entries = shape.columns / group * kept
        guard values.count == shape.rows * entries, places.count == values.count else {
            throw invalid("it needs \(shape.rows * entries) values and places, got \(values.count) and \(places.count)")
        }
        let bits = Self.bits(group: group)
        let rowBytes = Self.rowBytes(columns: shape.columns, kept: kept, group: group)
        var packed = [UInt8](repeating: 0, count: shape.rows * rowBytes)
        for row in 0..<shape.rows {
            for entry in 0..<entries {
                let place = Int(places[row * entries + entry])
                guard place < group, entry % kept == 0 || place > Int(places[row * entries + entry - 1]) else {
                    throw invalid("places must ascend below \(group) within a group, got \(place) in row \(row)")
                }
                let (byte, bit) = (entry * bits).quotientAndRemainder(dividingBy: 8)
                packed[row * rowBytes + byte] |= UInt8(truncatingIfNeeded: place << bit)
                if bit + bits > 8 {
                    packed[row * rowBytes + byte + 1] |= UInt8(truncatingIfNeeded: place >> (8 - bit))
                }
            }
        }
        self.shape = shape
        self.kept = kept
        self.group = group
        self.values = Factor(values, shape: [shape.rows, entries], precision: precision)
        self.places = try Tensor(elementType: .u8, shape: [shape.rows, rowBytes], bytes: packed)
    }

    /// Kept weights of a row.
    public var entries: Int { shape.columns / group * kept }

    /// The columns of the weights kept, row by row, ascending.
    package var keptColumns: [[Int]] {
        let rowBytes = Self.rowBytes(columns: shape.columns, kept: kept, group: group)
        return places.withBytes { places in
            (0..<shape.rows).map { row in
                let codes = UnsafeRawBufferPointer(rebasing: places[row * rowBytes..<(row + 1) * rowBytes])
                return (0..<entries).map { $0 / kept * group + Self.place($0, of: codes, bits: Self.bits(group: group)) }
            }
        }
    }

    public var cost: Cost { Self.cost(shape: shape, kept: kept, group: group, precision: values.precision) }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        DecodedRows.apply(input, into: output, shape: shape, context: context) { decode($0, into: $1) }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        DecodedRows.applyTransposed(input, into: output, shape: shape, context: context) { decode($0, into: $1) }
    }

    public func dense() -> Matrix { gather(rows: Array(0..<shape.rows)) }

    public func gather(rows: [Int]) -> Matrix {
        DecodedRows.gather(rows: rows, columns: shape.columns) { decode($0, into: $1) }
    }

    private func decode(_ rows: Range<Int>, into w: MutableMatrixView) {
        let rowBytes = Self.rowBytes(columns: shape.columns, kept: kept, group: group)
        // Taken once: each look at a stored factor's values takes its lock.
        let values = values.values(rows.lowerBound * entries..<rows.upperBound * entries)
        places.withBytes { places in
            for row in rows {
                let index = row - rows.lowerBound
                let target = w.row(index)
                target.update(repeating: 0, count: shape.columns)
                let codes = UnsafeRawBufferPointer(rebasing: places[row * rowBytes..<(row + 1) * rowBytes])
                for entry in 0..<entries {
                    let place = Self.place(entry, of: codes, bits: Self.bits(group: group))
                    target[entry / kept * group + place] = values[index * entries + entry]
                }
            }
        }
    }

    /// Number `entry` of a stream; reads no byte beyond the one that ends it.
    private static func place(_ entry: Int, of codes: UnsafeRawBufferPointer, bits: Int) -> Int {
        let (byte, bit) = (entry * bits).quotientAndRemainder(dividingBy: 8)
        var place = Int(codes[byte]) >> bit
        if bit + bits > 8 { place |= Int(codes[byte + 1]) << (8 - bit) }
        return place & ((1 << bits) - 1)
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws { [("values", try values.tensor), ("places", places)] }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["kept": kept, "group": group]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        group = try attributes.integer("group")
        guard Self.supportedGroups.contains(group) else {
            throw StructuredMatrixError.invalidAttribute(
                matrix: attributes.matrix, attribute: "group", expected: "4, 8 or 16", got: group)
        }
        try attributes.check(shape)
        _ = try attributes.divisor("group", of: shape.columns)
        kept = try attributes.integer("kept", in: 1...group)
        self.shape = shape
        let entries = shape.columns / group * kept
        values = try tensors.factor("values", shape: [shape.rows, entries])
        let rowBytes = Self.rowBytes(columns: shape.columns, kept: kept, group: group)
        places = try tensors.tensor("places", shape: [shape.rows, rowBytes], elementType: .u8)
        try places.withBytes { [kept, group] bytes in
            for row in 0..<shape.rows {
                let codes = UnsafeRawBufferPointer(rebasing: bytes[row * rowBytes..<(row + 1) * rowBytes])
                var last = 0
                for entry in 0..<entries {
                    let place = Self.place(entry, of: codes, bits: Self.bits(group: group))
                    guard entry % kept == 0 || place > last else {
                        throw tensors.invalid(
                            "places",
                            "row \(row), group \(entry / kept): places must ascend, got \(place) after \(last)")
                    }
                    last = place
                }
            }
        }
    }
}
