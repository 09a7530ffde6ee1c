import Tensors

/// The product of a family that has no packed layout: its own `apply`, each member on its share of the batch.
struct UnpackedProduct: PreparedProduct {
    let matrix: any StructuredMatrix

    var shape: MatrixShape { matrix.shape }
    var byteCount: Int { matrix.cost.storedBytes }
    func scratchFloats(batch: Int) -> Int { 0 }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let share = worker.share(of: input.rows)
        // Larger batches would go through a BLAS, whose bits depend on the batch.
        for first in stride(from: share.lowerBound, to: share.upperBound, by: DenseProduct.largestKernelBatch) {
            let rows = first..<min(share.upperBound, first + DenseProduct.largestKernelBatch)
            matrix.apply(input.rows(rows), into: output.rows(rows), context: .serial)
        }
    }
}
