import Tensors

/// Any weights kept, the others zero and not stored: compressed sparse rows.
///
/// entries (bytes of a value + 2 or 4) + 8 (rows + 1) bytes and as many multiply-adds as entries. On a processor this is
/// slower than dense with few rows of inputs where more than about a quarter is kept, with many where more than about three
/// quarters are.
public struct CompressedSparseRows: StructuredMatrix {
    public static let family = Family(
        name: "csr", summary: "any weights kept, compressed sparse rows", source: "textbook")

    public let shape: MatrixShape
    /// rows + 1 numbers: entries offsets[r] ..< offsets[r + 1] are row r's.
    public let offsets: [Int]
    /// Column of every entry, ascending within a row.
    public let columns: [UInt32]
    /// One for every entry.
    public let values: Factor

    /// How columns are stored.
    static func columnType(_ columns: Int) -> ElementType { columns <= 1 << 16 ? .u16 : .u32 }

    /// Columns as a checkpoint stores them.
    static func columnTensor(_ columns: [UInt32], shape: [Int], of width: Int) throws -> Tensor {
        let type = columnType(width)
        let bytes = columns.flatMap { column in
            (0..<type.byteCount).map { UInt8(truncatingIfNeeded: column >> (8 * UInt32($0))) }
        }
        return try Tensor(elementType: type, shape: shape, bytes: bytes)
    }

    /// The columns that a checkpoint stores, unchecked.
    static func columns(_ tensors: TensorLookup, shape: [Int], of width: Int) throws -> [UInt32] {
        let type = columnType(width)
        return try tensors.tensor("columns", shape: shape, elementType: type).withBytes { bytes in
            (0..<shape.reduce(1, *)).map {
                type == .u16
                    ? UInt32(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)))
                    : UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
            }
        }
    }

    /// What a matrix with this many entries costs.
    public static func cost(shape: MatrixShape, entries: Int, precision: Precision) -> Cost {
        let bytes = precision.elementType.byteCount + columnType(shape.columns).byteCount
        return Cost(parameters: entries, storedBytes: entries * bytes + 8 * (shape.rows + 1), multiplyAdds: entries)
    }

    /// The entries of `weight` that `keeps` chooses.
    /// - Precondition: columns below 2^32.
    public init(_ weight: Matrix, precision: Precision = .f32, keeps: (_ row: Int, _ column: Int) -> Bool) {
        var (offsets, columns, values) = ([0], [UInt32](), [Float]())
        for row in 0..<weight.rows {
            for column in 0..<weight.columns where keeps(row, column) {
                columns.append(UInt32(column))
                values.append(weight[row, column])
            }
            offsets.append(columns.count)
        }
        shape = MatrixShape(rows: weight.rows, columns: weight.columns)
        self.offsets = offsets
        self.columns = columns
        self.values = Factor(values, shape: [values.count], precision: precision)
    }

    /// What another family's entries are as compressed rows; unchecked.
    init(shape: MatrixShape, offsets: [Int], columns: [UInt32], values: Factor) {
        self.shape = shape
        self.offsets = offsets
        self.columns = columns
        self.values = Factor(values.values, shape: [columns.count], precision: values.precision)
    }

    public var cost: Cost { Self.cost(shape: shape, entries: columns.count, precision: values.precision) }

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
        let first = offsets[rows.lowerBound]
        // Taken once: each look at a stored factor's values takes its lock.
        let values = values.values(first..<offsets[rows.upperBound])
        for row in rows {
            let target = w.row(row - rows.lowerBound)
            target.update(repeating: 0, count: shape.columns)
            for entry in offsets[row]..<offsets[row + 1] { target[Int(columns[entry])] = values[entry - first] }
        }
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            let offsetBytes = offsets.flatMap { offset in (0..<8).map { UInt8(truncatingIfNeeded: offset >> (8 * $0)) } }
            return [
                ("offsets", try Tensor(elementType: .i64, shape: [offsets.count], bytes: offsetBytes)),
                ("columns", try Self.columnTensor(columns, shape: [columns.count], of: shape.columns)),
                ("values", try values.tensor),
            ]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["entries": columns.count]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let entries = try attributes.integer("entries", in: 0...Int(Int32.max))
        try attributes.check(shape)
        self.shape = shape
        values = try tensors.factor("values", shape: [entries])
        offsets = try tensors.tensor("offsets", shape: [shape.rows + 1], elementType: .i64).withBytes { bytes in
            (0...shape.rows).map {
                Int(truncatingIfNeeded: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)))
            }
        }
        columns = try Self.columns(tensors, shape: [entries], of: shape.columns)
        guard offsets[0] == 0 else { throw tensors.invalid("offsets", "the first must be 0, got \(offsets[0])") }
        guard offsets[shape.rows] == entries else {
            throw tensors.invalid("offsets", "the last must be \(entries), got \(offsets[shape.rows])")
        }
        for row in 0..<shape.rows where offsets[row] > offsets[row + 1] {
            throw tensors.invalid("offsets", "row \(row): they must not fall, got \(offsets[row + 1]) after \(offsets[row])")
        }
        // Offsets that never fall between 0 and `entries` stay within it.
        for row in 0..<shape.rows {
            for entry in offsets[row]..<offsets[row + 1] {
                guard Int(columns[entry]) < shape.columns else {
                    throw tensors.invalid(
                        "columns", "row \(row): expected columns below \(shape.columns), got \(columns[entry])")
                }
                guard entry == offsets[row] || columns[entry] > columns[entry - 1] else {
                    throw tensors.invalid(
                        "columns", "row \(row): they must ascend, got \(columns[entry]) after \(columns[entry - 1])")
                }
            }
        }
    }
}
