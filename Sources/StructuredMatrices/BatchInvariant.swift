import Tensors

/// A family whose `apply` gives every row of a batch the same bits whatever else is in the batch, however large it is. Others do
/// so for batches that our kernels serve whole (`DenseProduct.largestKernelBatch`).
package protocol BatchInvariant: StructuredMatrix {}

extension AsymmetricQuantized: BatchInvariant {}
extension CompressedSparseRows: BatchInvariant {}
extension GroupSparse: BatchInvariant {}
extension NMSparse: BatchInvariant {}
extension NormalFloat: BatchInvariant {}
extension Quantized: BatchInvariant {}

extension StructuredMatrix {
    /// As `gather`, a few rows at a time: the bits of a row do not depend on the rows that are gathered with it, so that models
    /// may cut their tokens into batches as they like.
    package func gatherInBatches(rows: [Int]) -> Matrix {
        guard rows.count > DenseProduct.largestKernelBatch else { return gather(rows: rows) }
        var elements: [Float] = []
        elements.reserveCapacity(rows.count * shape.columns)
        for first in stride(from: 0, to: rows.count, by: DenseProduct.largestKernelBatch) {
            let chosen = rows[first..<min(rows.count, first + DenseProduct.largestKernelBatch)]
            elements += gather(rows: Array(chosen)).elements
        }
        return Matrix(rows: rows.count, columns: shape.columns, elements: elements)
    }
}
