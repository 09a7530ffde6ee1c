import Tensors

/// The product of a family that has no packed layout: its own `apply`, each member on its share of the batch.
package struct UnpackedProduct: PreparedProduct {
    let matrix: any StructuredMatrix

    package init(_ matrix: any StructuredMatrix) { self.matrix = matrix }

    package var shape: MatrixShape { matrix.shape }
    package var byteCount: Int { matrix.cost.storedBytes }
    package func scratchFloats(batch: Int) -> Int { 0 }

    package func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        let share = worker.share(of: input.rows)
        if let dense = matrix as? Dense, dense.weight.isStreamed {
            return DenseProduct.applyInBatches(input.rows(share), streaming: dense.weight, into: output.rows(share))
        }
        // Larger batches would go through a BLAS, whose bits depend on the batch.
        let most = matrix is any BatchInvariant ? max(1, share.count) : DenseProduct.largestKernelBatch
        for first in stride(from: share.lowerBound, to: share.upperBound, by: most) {
            let rows = first..<min(share.upperBound, first + most)
            matrix.apply(input.rows(rows), into: output.rows(rows), context: .serial)
        }
    }
}
