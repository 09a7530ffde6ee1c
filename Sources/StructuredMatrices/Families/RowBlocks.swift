import Tensors

/// Matrices of any families stacked upon each other, the first on top: rows of a table that are kept in different ways, or
/// in different precisions. With `permuted` around it, any sets of rows. Costs what the blocks cost.
public struct RowBlocks: ComposedMatrix {
    public static let family = Family(
        name: "row-blocks", summary: "matrices of any families stacked upon each other",
        source: "this project's")

    public let parts: [any StructuredMatrix]
    public let shape: MatrixShape
    /// The rows of each part.
    private let spans: [Range<Int>]

    /// - Throws: `StructuredMatrixError.invalidSize` without blocks, for blocks of several widths, and for too many.
    public init(_ blocks: [any StructuredMatrix]) throws {
        let shape = MatrixShape(
            rows: blocks.reduce(0) { $0 + $1.shape.rows }, columns: blocks.first?.shape.columns ?? 0)
        if let reason = Self.objection(blocks.map(\.shape), to: shape) { throw Self.invalid(shape, reason) }
        try Self.checkNesting(blocks, shape)
        self.init(blocks, shape)
    }

    private init(_ blocks: [any StructuredMatrix], _ shape: MatrixShape) {
        parts = blocks
        self.shape = shape
        var spans: [Range<Int>] = []
        for block in blocks {
            let first = spans.last?.upperBound ?? 0
            spans.append(first..<first + block.shape.rows)
        }
        self.spans = spans
    }

    private static func objection(_ blocks: [MatrixShape], to shape: MatrixShape) -> String? {
        if blocks.isEmpty { return "it needs at least one block" }
        if let other = blocks.first(where: { $0.columns != shape.columns }) { return "a block is \(other)" }
        if let other = blocks.first(where: { $0.rows < 0 }) { return "a block is \(other)" }
        var rows = 0
        for block in blocks {
            let (sum, overflows) = rows.addingReportingOverflow(block.rows)
            if overflows { return "a block is \(block)" }
            rows = sum
        }
        return rows == shape.rows ? nil : "the blocks have \(rows) rows"
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        for (part, rows) in zip(parts, spans) { part.apply(input, into: output.columns(rows), context: context) }
    }

    public func applyTransposed(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        withScratch(rows: parts.count > 1 ? input.rows : 0, columns: shape.columns) { term in
            for (index, rows) in spans.enumerated() {
                parts[index].applyTransposed(
                    input.columns(rows), into: index == 0 ? output : term, context: context)
                if index > 0 { add(term.readable, to: output) }
            }
        }
    }

    public func dense() -> Matrix {
        Matrix(rows: shape.rows, columns: shape.columns, elements: parts.flatMap { $0.dense().elements })
    }

    public func gather(rows: [Int]) -> Matrix {
        var result = Matrix(rows: rows.count, columns: shape.columns)
        for (part, span) in zip(parts, spans) {
            let places = rows.indices.filter { span.contains(rows[$0]) }
            guard !places.isEmpty else { continue }
            let found = part.gather(rows: places.map { rows[$0] - span.lowerBound })
            result.withMutableView { result in
                found.withView { found in
                    for (index, place) in places.enumerated() {
                        result.row(place).update(from: found.row(index), count: shape.columns)
                    }
                }
            }
        }
        return result
    }

    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedRowBlocks(shape: shape, blocks: parts.map { $0.prepared(options) })
    }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let blocks = try attributes.readParts(
            of: Self.family, shape: shape, count: 1...MatrixDescription.maximumParts, tensors: tensors
        ) { Self.objection($0, to: shape) }
        self.init(blocks, shape)
    }
}

/// Prepared blocks one after the other, each writing its own columns of the output.
private struct PreparedRowBlocks: PreparedProduct {
    let shape: MatrixShape
    let blocks: [any PreparedProduct]

    var byteCount: Int { blocks.reduce(0) { $0 + $1.byteCount } }
    func scratchFloats(batch: Int) -> Int { blocks.map { $0.scratchFloats(batch: batch) }.max() ?? 0 }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        var first = 0
        for (index, block) in blocks.enumerated() {
            // Blocks share their scratch: nobody may still be reading what the one before left there.
            if index > 0 { worker.barrier() }
            let rows = first..<first + block.shape.rows
            block.apply(input, into: output.columns(rows), scratch: scratch, worker: worker)
            first = rows.upperBound
        }
    }
}
