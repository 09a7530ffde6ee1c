import CKernels
import Tensors

/// The scratch memory of one forward pass: lent by the calling thread's scratch (which keeps it for the next pass), handed
/// out from the front, given back by `deallocate`.
///
/// Views taken from it are uninitialised and stay valid until `deallocate`.
struct ActivationArena {
    private let base: UnsafeMutablePointer<Float>
    private let capacity: Int
    private var used = 0

    /// Room for `floats` numbers, plus what alignment may take for each of `views` views.
    init(floats: Int, views: Int = 16) {
        capacity = floats + views * Self.alignment
        guard let memory = tessera_scratch_take(capacity * MemoryLayout<Float>.stride) else {
            fatalError("no memory for \(floats) activations")
        }
        base = memory.bindMemory(to: Float.self, capacity: capacity)
    }

    /// On the thread that made the arena, which must give back what it took in reverse order.
    func deallocate() { tessera_scratch_give(base) }

    /// - Precondition: what was asked for at creation is not exceeded.
    mutating func take(rows: Int, columns: Int) -> MutableMatrixView {
        MutableMatrixView(base: take(floats: rows * columns), rows: rows, columns: columns)
    }

    /// - Precondition: as above.
    mutating func take(floats: Int) -> UnsafeMutablePointer<Float> {
        let start = base + used
        used += Self.aligned(floats)
        precondition(used <= capacity, "the forward pass asked for more scratch than it announced")
        return start
    }

    /// Rounded up to whole cache lines.
    static func aligned(_ floats: Int) -> Int { (floats + alignment - 1) / alignment * alignment }

    /// Floats in a cache line.
    private static let alignment = 16
}
