import Tensors

/// The product of a family that has no packed layout: its own `apply`, on one member of the team.
struct UnpackedProduct: PreparedProduct {
    let matrix: any StructuredMatrix

    var shape: MatrixShape { matrix.shape }
    var byteCount: Int { matrix.cost.storedBytes }
    func scratchFloats(batch: Int) -> Int { 0 }

    func apply(
        _ input: MatrixView, into output: MutableMatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker
    ) {
        if worker.index == 0 { matrix.apply(input, into: output, context: .serial) }
    }
}
