import Tensors

/// Working memory of one fit: a rows x columns rectangle of `Double` that keeps its address, so that sweeps
/// over many small blocks need neither copies nor nested closures. Used by one thread.
final class DoubleBuffer {
    let view: MutableDenseMatrixView<Double>

    init(rows: Int, columns: Int) {
        let count = max(1, rows * columns)
        let base = UnsafeMutablePointer<Double>.allocate(capacity: count)
        base.initialize(repeating: 0, count: count)
        view = MutableDenseMatrixView(base: base, rows: rows, columns: columns)
    }

    convenience init(_ matrix: DoubleMatrix) {
        self.init(rows: matrix.rows, columns: matrix.columns)
        load(matrix)
    }

    deinit { view.base.deallocate() }

    func load(_ matrix: DoubleMatrix) {
        matrix.withView { view.base.update(from: $0.base, count: matrix.count) }
    }

    func store(into matrix: inout DoubleMatrix) {
        let (source, count) = (view.base, matrix.count)
        matrix.withMutableView { $0.base.update(from: source, count: count) }
    }

    var readable: DenseMatrixView<Double> { view.readable }

    /// The rows of block `index` when the rows are cut into blocks of `size`.
    func block(_ index: Int, rows size: Int) -> MutableDenseMatrixView<Double> {
        view.rows(index * size..<(index + 1) * size)
    }

    /// `count` elements from `offset` on, as rows `stride` apart.
    func strided(offset: Int, rows: Int, columns: Int, stride: Int) -> MutableDenseMatrixView<Double> {
        MutableDenseMatrixView(base: view.base + offset, rows: rows, columns: columns, rowStride: stride)
    }
}
