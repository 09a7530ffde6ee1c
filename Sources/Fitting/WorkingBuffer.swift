import Tensors

/// Working memory of one fit: a rows x columns rectangle of numbers that keeps its address, so that sweeps
/// over many small blocks need neither copies nor nested closures. Used by one thread.
final class WorkingBuffer<Scalar: BinaryFloatingPoint & Sendable> {
    let view: MutableDenseMatrixView<Scalar>

    init(rows: Int, columns: Int) {
        let count = max(1, rows * columns)
        let base = UnsafeMutablePointer<Scalar>.allocate(capacity: count)
        base.initialize(repeating: 0, count: count)
        view = MutableDenseMatrixView(base: base, rows: rows, columns: columns)
    }

    convenience init(_ matrix: DenseMatrix<Scalar>) {
        self.init(rows: matrix.rows, columns: matrix.columns)
        load(matrix)
    }

    deinit { view.base.deallocate() }

    func load(_ matrix: DenseMatrix<Scalar>) {
        matrix.withView { view.base.update(from: $0.base, count: matrix.count) }
    }

    func store(into matrix: inout DenseMatrix<Scalar>) {
        let (source, count) = (view.base, matrix.count)
        matrix.withMutableView { $0.base.update(from: source, count: count) }
    }

    var readable: DenseMatrixView<Scalar> { view.readable }

    /// The rows of block `index` when the rows are cut into blocks of `size`.
    func block(_ index: Int, rows size: Int) -> MutableDenseMatrixView<Scalar> {
        view.rows(index * size..<(index + 1) * size)
    }

    /// `count` elements from `offset` on, as rows `stride` apart.
    func strided(offset: Int, rows: Int, columns: Int, stride: Int) -> MutableDenseMatrixView<Scalar> {
        MutableDenseMatrixView(base: view.base + offset, rows: rows, columns: columns, rowStride: stride)
    }
}

typealias DoubleBuffer = WorkingBuffer<Double>
typealias FloatBuffer = WorkingBuffer<Float>
