import Tensors

extension DenseMatrixView {
    /// Matrix `index` of several of `rows` rows each, stacked upon each other.
    func stacked(_ index: Int, rows: Int) -> Self { self.rows(index * rows..<(index + 1) * rows) }
    /// Matrix `index` of several of `columns` columns each, side by side.
    func sideBySide(_ index: Int, columns: Int) -> Self {
        self.columns(index * columns..<(index + 1) * columns)
    }
    /// `count` rows, every `step`-th from `start` on.
    func everyRow(_ step: Int, from start: Int, count: Int) -> Self {
        Self(base: base + start * rowStride, rows: count, columns: columns, rowStride: step * rowStride)
    }
}

extension MutableDenseMatrixView {
    func stacked(_ index: Int, rows: Int) -> Self { self.rows(index * rows..<(index + 1) * rows) }
    func sideBySide(_ index: Int, columns: Int) -> Self {
        self.columns(index * columns..<(index + 1) * columns)
    }
    func everyRow(_ step: Int, from start: Int, count: Int) -> Self {
        Self(base: base + start * rowStride, rows: count, columns: columns, rowStride: step * rowStride)
    }
}
