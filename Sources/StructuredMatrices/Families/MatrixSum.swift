import Tensors

/// W = W_0 + W_1 + ...: sparse + low-rank, quantized + low-rank, any terms of one shape. Costs what the terms cost.
public struct MatrixSum: ComposedMatrix {
    public static let family = Family(
        name: "sum", summary: "a sum of matrices of any families", source: "CoLA, arXiv 2309.03060")

    public let parts: [any StructuredMatrix]

    /// - Throws: `StructuredMatrixError.invalidSize` without terms, for terms of several shapes, and for too many.
    public init(_ terms: [any StructuredMatrix]) throws {
        let shape = terms.first?.shape ?? MatrixShape(rows: 0, columns: 0)
        if let reason = Self.objection(terms.map(\.shape), to: shape) { throw Self.invalid(shape, reason) }
        try Self.checkNesting(terms, shape)
        parts = terms
    }

    private static func objection(_ terms: [MatrixShape], to shape: MatrixShape) -> String? {
        if terms.isEmpty { return "a sum needs at least one term" }
        return terms.first { $0 != shape }.map { "a term is \($0)" }
    }

    public var shape: MatrixShape { parts[0].shape }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        accumulate(input, output, context) { $0.apply($1, into: $2, context: $3) }
    }

    public func applyTransposed(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        accumulate(input, output, context) { $0.applyTransposed($1, into: $2, context: $3) }
    }

    /// Overwrites `output` with the sum of the terms' products.
    private func accumulate(
        _ input: MatrixView, _ output: MutableMatrixView, _ context: ExecutionContext,
        _ product: @Sendable (any StructuredMatrix, MatrixView, MutableMatrixView, ExecutionContext) -> Void
    ) {
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) { rows, context in
            let (input, output) = (input.rows(rows), output.rows(rows))
            product(parts[0], input, output, context)
            withScratch(rows: rows.count, columns: output.columns) { term in
                for part in parts.dropFirst() {
                    product(part, input, term, context)
                    add(term.readable, to: output)
                }
            }
        }
    }

    public func dense() -> Matrix { parts.dropFirst().reduce(parts[0].dense()) { $0 + $1.dense() } }
    public func gather(rows: [Int]) -> Matrix {
        parts.dropFirst().reduce(parts[0].gather(rows: rows)) { $0 + $1.gather(rows: rows) }
    }

    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedSum.joined(parts.map { $0.prepared(options) }, shape: shape)
    }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        parts = try attributes.readParts(
            of: Self.family, shape: shape, count: 1...MatrixDescription.maximumParts, tensors: tensors
        ) { Self.objection($0, to: shape) }
    }
}
