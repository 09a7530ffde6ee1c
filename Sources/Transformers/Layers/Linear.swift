import StructuredMatrices
import Tensors

/// y = W x + b, W any structured matrix.
public struct Linear: Sendable {
    /// outputs x inputs.
    public var weight: any StructuredMatrix
    /// One number per output, or nil.
    public let bias: [Float]?

    /// - Precondition: a bias has as many numbers as the weight has rows.
    public init(weight: any StructuredMatrix, bias: [Float]? = nil) {
        precondition(bias.map { $0.count == weight.shape.rows } ?? true)
        self.weight = weight
        self.bias = bias
    }

    /// Y = X W^T + b. X is tokens x inputs, Y tokens x outputs; trusts shapes.
    func apply(_ input: MatrixView, into output: MutableMatrixView, context: ExecutionContext) {
        weight.apply(input, into: output, context: context)
        guard let bias else { return }
        context.forEachRowBlock(rows: output.rows, columns: output.columns) { rows in
            let block = output.rows(rows)
            bias.withUnsafeBufferPointer { bias in
                guard let base = bias.baseAddress else { return }
                Kernels.best.addBias(block.base, base, block.rows, block.columns, block.rowStride)
            }
        }
    }
}
