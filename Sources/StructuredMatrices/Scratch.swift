import Tensors

/// Lends uninitialised memory for a rows x columns intermediate result.
func withScratch<Result>(rows: Int, columns: Int, _ body: (MutableMatrixView) throws -> Result) rethrows
    -> Result
{
    // Cache-line aligned; left uninitialised because every user overwrites it.
    let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: max(1, rows * columns) * MemoryLayout<Float>.stride, alignment: 64)
    defer { memory.deallocate() }
    let base = memory.bindMemory(to: Float.self).baseAddress.unsafelyUnwrapped
    return try body(MutableMatrixView(base: base, rows: rows, columns: columns))
}
