import Tensors

/// W = W_0 W_1 ...: sparse codes times a dictionary, block-diagonal times sparse times block-diagonal, any factors whose
/// inner sizes agree. Costs what the factors cost.
public struct MatrixProduct: ComposedMatrix {
    public static let family = Family(
        name: "product", summary: "a product of matrices of any families", source: "CoLA, arXiv 2309.03060")

    public let parts: [any StructuredMatrix]

    /// - Throws: `StructuredMatrixError.invalidSize` without factors, where inner sizes differ, and for too many.
    public init(_ factors: [any StructuredMatrix]) throws {
        let shape = MatrixShape(rows: factors.first?.shape.rows ?? 0, columns: factors.last?.shape.columns ?? 0)
        if let reason = Self.objection(factors.map(\.shape), to: shape) { throw Self.invalid(shape, reason) }
        try Self.checkNesting(factors, shape)
        parts = factors
    }

    private static func objection(_ factors: [MatrixShape], to shape: MatrixShape) -> String? {
        guard let first = factors.first, let last = factors.last else { return "a product needs at least one factor" }
        if first.rows != shape.rows { return "the first factor is \(first)" }
        if last.columns != shape.columns { return "the last factor is \(last)" }
        return zip(factors, factors.dropFirst()).first { $0.columns != $1.rows }.map { "a \($0) factor meets a \($1) one" }
    }

    public var shape: MatrixShape { MatrixShape(rows: parts[0].shape.rows, columns: parts[parts.count - 1].shape.columns) }

    /// The last factor first.
    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        chain(parts.reversed(), widths: parts.dropFirst().reversed().map(\.shape.rows), input, output, context) {
            $0.apply($1, into: $2, context: $3)
        }
    }

    public func applyTransposed(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        chain(parts, widths: parts.dropLast().map(\.shape.columns), input, output, context) {
            $0.applyTransposed($1, into: $2, context: $3)
        }
    }

    /// One product after the other; `widths` are those of the results between.
    private func chain(
        _ factors: [any StructuredMatrix], widths: [Int], _ input: MatrixView, _ output: MutableMatrixView,
        _ context: ExecutionContext,
        _ product: @Sendable (any StructuredMatrix, MatrixView, MutableMatrixView, ExecutionContext) -> Void
    ) {
        let widest = widths.max() ?? 0
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) { rows, context in
            withScratch(rows: 2 * rows.count, columns: widest) { scratch in
                var source = input.rows(rows)
                for (index, factor) in factors.enumerated() {
                    let target =
                        index == widths.count
                        ? output.rows(rows)
                        : MutableMatrixView(
                            base: scratch.base + index % 2 * rows.count * widest, rows: rows.count, columns: widths[index])
                    product(factor, source, target, context)
                    source = target.readable
                }
            }
        }
    }

    public func dense() -> Matrix { parts.dropLast().reversed().reduce(parts[parts.count - 1].dense()) { $1.dense().multiplied(by: $0) } }

    public func gather(rows: [Int]) -> Matrix {
        parts.dropFirst().reduce(parts[0].gather(rows: rows)) { left, factor in
            var result = Matrix(rows: rows.count, columns: factor.shape.columns)
            result.withMutableView { x in left.withView { factor.applyTransposed($0, into: x, context: .serial) } }
            return result
        }
    }

    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedSequence.joined(parts.reversed().map { $0.prepared(options) }, shape: shape)
    }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        parts = try attributes.readParts(
            of: Self.family, shape: shape, count: 1...MatrixDescription.maximumParts, tensors: tensors
        ) { Self.objection($0, to: shape) }
    }
}
