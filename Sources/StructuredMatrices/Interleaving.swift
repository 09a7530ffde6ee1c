import Tensors

/// Writes every row of `source`, seen as `rows` x `columns` numbers, transposed: turns `rows` consecutive
/// groups into interleaved ones, and back with rows and columns exchanged.
func transposeWithinRows(
    _ source: MatrixView, rows: Int, columns: Int, into target: MutableMatrixView, context: ExecutionContext
) {
    // A few thousand numbers per piece; copies have the same bits however they are cut.
    let piece = max(1, 16384 / max(1, rows * columns))
    context.parallelFor((source.rows + piece - 1) / piece) { index in
        for row in index * piece..<min(source.rows, (index + 1) * piece) {
            transpose(source.row(row), rows: rows, columns: columns, into: target.row(row))
        }
    }
}

func transpose(
    _ source: UnsafePointer<Float>, rows: Int, columns: Int, into target: UnsafeMutablePointer<Float>
) {
    let (wholeRows, wholeColumns) = (rows & ~3, columns & ~3)
    for row in stride(from: 0, to: wholeRows, by: 4) {
        for column in stride(from: 0, to: wholeColumns, by: 4) {
            transposeTile(
                source + row * columns + column, sourceStride: columns, into: target + column * rows + row,
                targetStride: rows)
        }
    }
    for row in 0..<rows {
        for column in (row < wholeRows ? wholeColumns : 0)..<columns {
            target[column * rows + row] = source[row * columns + column]
        }
    }
}

/// 4 x 4 in registers: half the time of moving one number at a time.
@inline(__always)
private func transposeTile(
    _ source: UnsafePointer<Float>, sourceStride: Int, into target: UnsafeMutablePointer<Float>,
    targetStride: Int
) {
    typealias Lanes = SIMD4<Float>
    func load(_ row: Int) -> Lanes {
        UnsafeRawPointer(source + row * sourceStride).loadUnaligned(as: Lanes.self)
    }
    func store(_ lanes: Lanes, _ row: Int) {
        UnsafeMutableRawPointer(target + row * targetStride).storeBytes(of: lanes, as: Lanes.self)
    }
    let (a, b, c, d) = (load(0), load(1), load(2), load(3))
    store(Lanes(a.x, b.x, c.x, d.x), 0)
    store(Lanes(a.y, b.y, c.y, d.y), 1)
    store(Lanes(a.z, b.z, c.z, d.z), 2)
    store(Lanes(a.w, b.w, c.w, d.w), 3)
}
