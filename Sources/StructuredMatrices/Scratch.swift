import CKernels
import Tensors

/// Lends uninitialised memory for a rows x columns intermediate result, from the scratch of the calling thread: nothing
/// is allocated once a thread has lent as much before.
func withScratch<Result>(rows: Int, columns: Int, _ body: (MutableMatrixView) throws -> Result) rethrows
    -> Result
{
    let count = rows * columns
    guard let memory = tessera_scratch_take(count * MemoryLayout<Float>.stride) else {
        fatalError("no memory for a \(rows) x \(columns) intermediate result")
    }
    defer { tessera_scratch_give(memory) }
    let base = memory.bindMemory(to: Float.self, capacity: count)
    return try body(MutableMatrixView(base: base, rows: rows, columns: columns))
}
