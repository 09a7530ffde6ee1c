import Tensors

/// Groups of consecutive rows that share their columns: `kept` inputs for every `tile` outputs, the other weights zero and
/// not stored.
///
/// A pattern for the registers of a processor: one input meets the weights of a whole group. tile 1 keeps equally many
/// weights of every row anywhere, tile = rows keeps whole columns. rows kept multiply-adds; rows kept values and
/// ceil(rows / tile) kept columns of 2 or 4 bytes.
public struct GroupSparse: StructuredMatrix {
    public static let family = Family(
        name: "group-sparse", summary: "groups of outputs that share the inputs they keep",
        source: "SparseByteNN, arXiv 2310.19509")

    public let shape: MatrixShape
    /// Rows of a group; the last group may have fewer.
    public let tile: Int
    /// Columns of a group.
    public let kept: Int
    /// rows x kept, in the order of the group's columns.
    public let values: Factor
    /// Columns of every group, ascending within it: groups x kept.
    public let columns: [UInt32]

    public var groups: Int { (shape.rows + tile - 1) / tile }

    /// What a matrix of this form costs.
    public static func cost(shape: MatrixShape, kept: Int, tile: Int, precision: Precision) -> Cost {
        let count = shape.rows * kept
        let columnBytes = CompressedSparseRows.columnType(shape.columns).byteCount
        return Cost(
            parameters: count,
            storedBytes: count * precision.elementType.byteCount + (shape.rows + tile - 1) / tile * kept * columnBytes,
            multiplyAdds: count)
    }

    /// - Parameters:
    ///   - values: rows x kept, rounded to `precision`.
    ///   - columns: groups x kept, ascending within a group.
    /// - Throws: `StructuredMatrixError.invalidSize` for other counts or columns.
    public init(
        values: [Float], columns: [UInt32], shape: MatrixShape, kept: Int, tile: Int, precision: Precision = .f32
    ) throws {
        func invalid(_ reason: String) -> StructuredMatrixError {
            .invalidSize(family: Self.family.name, shape: shape, reason: reason)
        }
        guard shape.rows >= 0, shape.columns >= 0 else { throw invalid("sizes cannot be negative") }
        guard tile >= 1 else { throw invalid("groups must be of 1 row or more, got \(tile)") }
        guard (0...shape.columns).contains(kept) else {
            throw invalid("it keeps 0 to \(shape.columns) columns of a group, got \(kept)")
        }
        let groups = (shape.rows + tile - 1) / tile
        guard values.count == shape.rows * kept, columns.count == groups * kept else {
            throw invalid(
                "it needs \(shape.rows * kept) values and \(groups * kept) columns, got \(values.count) and \(columns.count)")
        }
        for (index, column) in columns.enumerated() {
            guard Int(column) < shape.columns, index % kept == 0 || column > columns[index - 1] else {
                throw invalid("columns must ascend below \(shape.columns) within a group, got \(column) in group \(index / kept)")
            }
        }
        self.shape = shape
        self.tile = tile
        self.kept = kept
        self.values = Factor(values, shape: [shape.rows, kept], precision: precision)
        self.columns = columns
    }

    public var cost: Cost { Self.cost(shape: shape, kept: kept, tile: tile, precision: values.precision) }

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
        let values = values.values
        for row in rows {
            let target = w.row(row - rows.lowerBound)
            target.update(repeating: 0, count: shape.columns)
            let first = row / tile * kept
            for entry in 0..<kept { target[Int(columns[first + entry])] = values[row * kept + entry] }
        }
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws {
            let columnTensor = try CompressedSparseRows.columnTensor(
                columns, shape: [groups, kept], of: shape.columns)
            return [("columns", columnTensor), ("values", try values.tensor)]
        }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["kept": kept, "tile": tile]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        try attributes.check(shape)
        self.shape = shape
        kept = try attributes.integer("kept", in: 0...shape.columns)
        tile = try attributes.integer("tile")
        let groups = (shape.rows + tile - 1) / tile
        values = try tensors.factor("values", shape: [shape.rows, kept])
        columns = try CompressedSparseRows.columns(tensors, shape: [groups, kept], of: shape.columns)
        for (index, column) in columns.enumerated() {
            let group = index / kept
            guard Int(column) < shape.columns else {
                throw tensors.invalid(
                    "columns", "group \(group): expected columns below \(shape.columns), got \(column)")
            }
            guard index % kept == 0 || column > columns[index - 1] else {
                throw tensors.invalid(
                    "columns", "group \(group): they must ascend, got \(column) after \(columns[index - 1])")
            }
        }
    }
}
