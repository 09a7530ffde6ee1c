import LinearAlgebra
import Tensors

/// A block-diagonal matrix of B blocks from the inputs to R hidden features, then a dense one to the
/// outputs: R (rows + columns / B) numbers and multiply-adds.
public struct BlockDense: DifferentiableMatrix {
    public static let family = Family(
        name: "block-dense", summary: "block-diagonal to a narrow middle, dense from there",
        source: "arXiv 2406.16450")

    /// [B, R / B, columns / B].
    public let first: Factor
    /// rows x R.
    public let second: Factor

    /// - Precondition: the second factor's columns are the hidden features of the first.
    public init(first: Factor, second: Factor) {
        precondition(first.shape.count == 3 && second.shape.count == 2)
        precondition(second.shape[1] == first.shape[0] * first.shape[1])
        self.first = first
        self.second = second
    }

    /// B.
    public var blocks: Int { first.shape[0] }
    /// R.
    public var rank: Int { second.shape[1] }
    public var shape: MatrixShape { MatrixShape(rows: second.shape[0], columns: blocks * first.shape[2]) }
    public var cost: Cost {
        let count = first.count + second.count
        return Cost(
            parameters: count, storedBytes: first.storedBytes + second.storedBytes, multiplyAdds: count)
    }

    public func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        withViews { first, second in
            DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) {
                rows, context in
                withScratch(rows: rows.count, columns: rank) { hidden in
                    DenseProduct.applyBlocks(
                        input.rows(rows), first, count: blocks, into: hidden, context: context)
                    DenseProduct.apply(hidden.readable, second, into: output.rows(rows), context: context)
                }
            }
        }
    }

    public func applyTransposed(
        _ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext
    ) {
        withViews { first, second in
            DenseProduct.inPieces(ofBatch: input.rows, multiplyAdds: cost.multiplyAdds, context: context) {
                rows, context in
                withScratch(rows: rows.count, columns: rank) { hidden in
                    DenseProduct.applyTransposed(input.rows(rows), second, into: hidden, context: context)
                    DenseProduct.applyBlocksTransposed(
                        hidden.readable, first, count: blocks, into: output.rows(rows), context: context)
                }
            }
        }
    }

    public func dense() -> Matrix { expanded(second.matrix) }
    public func gather(rows: [Int]) -> Matrix { expanded(Dense(second).gather(rows: rows)) }

    /// hidden (any x R) times the block-diagonal factor.
    private func expanded(_ hidden: Matrix) -> Matrix {
        var result = Matrix(rows: hidden.rows, columns: shape.columns)
        result.withMutableView { result in
            hidden.withView { hidden in
                first.withView {
                    DenseProduct.applyBlocksTransposed(
                        hidden, $0, count: blocks, into: result, context: .serial)
                }
            }
        }
        return result
    }

    public var tensors: [(name: String, tensor: Tensor)] {
        get throws { [("first", try first.tensor), ("second", try second.tensor)] }
    }
    public var attributes: FamilyAttributes { FamilyAttributes(["blocks": blocks, "rank": rank]) }

    public init(shape: MatrixShape, tensors: TensorLookup, attributes: FamilyAttributes) throws {
        let rank = try attributes.integer("rank")
        let blocks = try attributes.divisor("blocks", of: shape.columns, rank)
        first = try tensors.factor("first", shape: [blocks, rank / blocks, shape.columns / blocks])
        second = try tensors.factor("second", shape: [shape.rows, rank])
    }

    public var factors: [Factor] { [first, second] }
    public func replacingFactors(_ values: [[Float]]) -> Self {
        Self(first: first.replacing(values[0]), second: second.replacing(values[1]))
    }
    public func factorGradients(_ gradient: Matrix) -> [[Float]] {
        let (blockRows, blockColumns) = (first.shape[1], first.shape[2])
        var firstGradient = first.matrix
        var secondGradient = second.matrix
        firstGradient.withMutableView { firstGradient in
            secondGradient.withMutableView { secondGradient in
                gradient.withView { gradient in
                    withViews { first, second in
                        for block in 0..<blocks {
                            let piece = gradient.sideBySide(block, columns: blockColumns)
                            LinearAlgebra.multiply(
                                second.sideBySide(block, columns: blockRows), transposeA: true, piece,
                                into: firstGradient.stacked(block, rows: blockRows))
                            LinearAlgebra.multiply(
                                piece, first.stacked(block, rows: blockRows), transposeB: true,
                                into: secondGradient.sideBySide(block, columns: blockRows))
                        }
                    }
                }
            }
        }
        return [firstGradient.elements, secondGradient.elements]
    }

    private func withViews(_ body: (_ first: MatrixView, _ second: MatrixView) -> Void) {
        first.withView { first in second.withView { second in body(first, second) } }
    }
}
