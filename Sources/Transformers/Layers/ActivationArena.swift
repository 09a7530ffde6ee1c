import Tensors

/// The scratch memory of one forward pass: allocated once, handed out from the front, freed by `deallocate`.
///
/// Views taken from it are uninitialised and stay valid until `deallocate`.
struct ActivationArena {
    private let base: UnsafeMutablePointer<Float>
    private let capacity: Int
    private var used = 0

    /// Room for `floats` numbers, plus what alignment may take for each of `views` views.
    init(floats: Int, views: Int = 16) {
        capacity = floats + views * Self.alignment
        let bytes = capacity * MemoryLayout<Float>.stride
        base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: Self.alignment * 4)
            .bindMemory(to: Float.self, capacity: capacity)
    }

    func deallocate() { base.deallocate() }

    /// - Precondition: what was asked for at creation is not exceeded.
    mutating func take(rows: Int, columns: Int) -> MutableMatrixView {
        let view = MutableMatrixView(base: base + used, rows: rows, columns: columns)
        used += (rows * columns + Self.alignment - 1) / Self.alignment * Self.alignment
        precondition(used <= capacity, "the forward pass asked for more scratch than it announced")
        return view
    }

    /// Floats in a cache line.
    private static let alignment = 16
}

extension ExecutionContext {
    /// Calls `body` on consecutive ranges that cover `rows`, cut by shape alone; small work stays on this thread.
    func forEachRowBlock(rows: Int, columns: Int, _ body: @Sendable (Range<Int>) -> Void) {
        let blockRows = max(1, (1 << 15) / max(1, columns))
        let blocks = (rows + blockRows - 1) / blockRows
        parallelFor(blocks) { block in body(block * blockRows..<min(rows, (block + 1) * blockRows)) }
    }
}
