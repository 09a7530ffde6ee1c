import StructuredMatrices
import Tensors

/// A member's share of the products of several matrices with one input. What they do with the input first has one barrier
/// for all of them: `read` for each, `barrier`, then `multiply` with each in the same order.
struct ProductsOfOneInput {
    private let input: MatrixView
    private let worker: Worker
    private let scratch: UnsafeMutablePointer<Float>
    /// What is left of the scratch: products between the same barriers must not share any.
    private var free: UnsafeMutablePointer<Float>
    private var waits = false

    /// - Parameter scratch: with room for what all the products need.
    init(_ input: MatrixView, scratch: UnsafeMutablePointer<Float>, worker: Worker) {
        self.input = input
        self.worker = worker
        self.scratch = scratch
        free = scratch
    }

    mutating func read(for linear: borrowing Linear) {
        guard let prepared = linear.prepared else { return }
        if prepared.waitsForInput(batch: input.rows, members: worker.count) {
            prepared.readInput(input, scratch: free, worker: worker)
            waits = true
        }
        free += ActivationArena.aligned(prepared.scratchFloats(batch: input.rows))
    }

    mutating func barrier() {
        if waits { worker.barrier() }
        free = scratch
    }

    /// X W^T, without the bias; complete after the next barrier.
    mutating func multiply(_ linear: borrowing Linear, into output: MutableMatrixView) {
        guard let prepared = linear.prepared else {
            return UnpackedProduct(linear.weight).apply(input, into: output, scratch: free, worker: worker)
        }
        prepared.finish(input, into: output, scratch: free, worker: worker)
        free += ActivationArena.aligned(prepared.scratchFloats(batch: input.rows))
    }
}
