import Tensors

/// One matrix between a step over its input features and one over its output features: what permutations and diagonal
/// scalings share. Steps cost a pass over the features.
protocol WrappedMatrix: ComposedMatrix {
    /// What happens to inputs before, and to outputs after the product; the other way round for the transpose.
    func inputStep(transposed: Bool) -> FeatureStep?
    func outputStep(transposed: Bool) -> FeatureStep?
}

/// A pass over the features of every row of a batch.
enum FeatureStep: Sendable {
    /// Feature j goes to place order[j].
    case scatter([Int])
    /// Feature j comes from place order[j].
    case gather([Int])
    case scale([Float])

    /// From one row to another; a scaling may be in place.
    func apply(_ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
        switch self {
        case .scatter(let order): for index in order.indices { target[order[index]] = source[index] }
        case .gather(let order): for index in order.indices { target[index] = source[order[index]] }
        case .scale(let scales): for index in scales.indices { target[index] = source[index] * scales[index] }
        }
    }

    func apply(_ source: MatrixView, into target: MutableMatrixView, rows: Range<Int>) {
        for row in rows { apply(source.row(row), into: target.row(row)) }
    }
}

extension WrappedMatrix {
    public var shape: MatrixShape { parts[0].shape }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        run(input, output, inputStep(transposed: false), outputStep(transposed: false), context) {
            parts[0].apply($0, into: $1, context: $2)
        }
    }

    public func applyTransposed(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        run(input, output, inputStep(transposed: true), outputStep(transposed: true), context) {
            parts[0].applyTransposed($0, into: $1, context: $2)
        }
    }

    private func run(
        _ input: MatrixView, _ output: MutableMatrixView, _ before: FeatureStep?, _ after: FeatureStep?,
        _ context: ExecutionContext, _ product: @Sendable (MatrixView, MutableMatrixView, ExecutionContext) -> Void
    ) {
        DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) { rows, context in
            let (input, output, all) = (input.rows(rows), output.rows(rows), 0..<rows.count)
            withScratch(rows: before == nil ? 0 : rows.count, columns: input.columns) { entering in
                before?.apply(input, into: entering, rows: all)
                let x = before == nil ? input : entering.readable
                guard let after else { return product(x, output, context) }
                withScratch(rows: rows.count, columns: output.columns) { leaving in
                    product(x, leaving, context)
                    after.apply(leaving.readable, into: output, rows: all)
                }
            }
        }
    }

    public func prepared(_ options: PreparationOptions) -> any PreparedProduct {
        PreparedWrapping(
            parts[0].prepared(options), before: inputStep(transposed: false), after: outputStep(transposed: false),
            ownBytes: ownCost.storedBytes)
    }
}
