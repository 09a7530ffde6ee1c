import Tensors

/// Normal numbers, the same for every call with a seed.
func random(_ rows: Int, _ columns: Int, seed: UInt64 = 1) -> Matrix {
    var generator = SeededGenerator(seed: seed)
    return .random(rows: rows, columns: columns, using: &generator)
}
